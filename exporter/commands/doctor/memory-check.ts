import { describeMemory } from '../../events/text/memory-attributes.js';
import { memoryTroubles, READ_CLIENTS } from '../../memory/memory-feature.js';
import { METRIC } from '../../names.js';
import { ok, warn, type Finding } from './finding.js';
import type { MemoryFacts } from './memory-facts.js';

/**
 * What of a device's memory can be read here and from where, or what is lost. Pure.
 *
 * @param unseen processes that may not be looked into: the device's clients may be among them
 */
export function deviceMemory(facts: MemoryFacts, unseen: number): Finding {
  const { device, regions, from, regionsRefusal, tried, readable } = facts;
  const troubles = memoryTroubles([facts], true);
  const asleep = regionsRefusal?.operation === 'asleep';
  const seen = [
    ...(regions.length > 0 ? [`${describeMemory(regions)}, from ${from === 'debugfs' ? from : `the ${from}`}`] : []),
    ...(asleep ? ['not read: the device is asleep, and is not woken'] : []),
    ...(readable > 0 ? [`memory of ${readable} of ${tried} open files, from fdinfo`] : []),
    ...troubles.map(({ reason }) => reason),
    ...(regions.length === 0 && !asleep ? [`no ${METRIC.deviceMemoryUsed}, no memory in log events`] : []),
    ...(unseen > 0 ? [`clients in ${unseen} processes cannot be inspected: their memory is unknown`] : []),
    ...(readable < tried ? ['log events will not say what a victim held'] : []),
  ].join('; ');
  const fixes = new Set([...troubles.map((trouble) => trouble.fix), ...(unseen > 0 ? [READ_CLIENTS] : [])]);
  const fix = [...fixes].join(' ');
  return { ...(fix === '' ? ok(seen) : warn(seen, fix)), device: device.pciBdf };
}
