import type { TestContext } from 'node:test';
import type { DeviceHealth } from '../../exporter/events/device-health.js';
import { EVENT } from '../../exporter/events/index.js';
import type { XeDevice } from '../../exporter/host/device.js';
import { ATTRIBUTE } from '../../exporter/names.js';
import { parseKmsgRecord } from '../../exporter/wire/kernel-log.js';
import { aDevice } from './events.js';
import { parseExposition } from './exposition.js';
import { asKmsgRecord } from './kernel-log.js';
import { manualClock } from './manual-clock.js';
import { recordedPipeline } from './recorded-pipeline.js';

export const GPU0 = aDevice();
export const GPU1 = aDevice({ pciBdf: '0000:04:00.0', card: 'card1', render: 'renderD129' });

/** A pipeline whose kernel log a test writes. */
export function kernelLogNode(t: TestContext, { sees = true } = {}) {
  const { now, advance } = manualClock(t);
  const begin = now();
  const monotonic = () => 1_000_000 + now() - begin;
  const { metrics, pipeline, records } = recordedPipeline(['kmsg'], { now: monotonic });
  if (sees) pipeline.sourceUp('kmsg', true);
  let sequence = 0;
  /** A line of the driver about a device, without `xe <address>: `. */
  const say = (text: string, device: XeDevice = GPU0, level = 6): void => {
    const seconds = (monotonic() / 1000).toFixed(6);
    const line = parseKmsgRecord(asKmsgRecord(`<${level}>[${seconds}] xe ${device.pciBdf}: ${text}`, ++sequence));
    const stamp = { realtimeNs: BigInt(now()) * 1_000_000n, monotonicNs: BigInt(Math.round(monotonic() * 1e6)) };
    pipeline.handle({ kind: 'kernel_log', source: 'kmsg', ...stamp, line, device });
  };
  /** What the kernel log held before: lines with their age in seconds, oldest first. */
  const remember = (lines: readonly (readonly [ageSeconds: number, text: string, device?: XeDevice])[]): void => {
    const stamp = { realtimeNs: BigInt(now()) * 1_000_000n, monotonicNs: BigInt(Math.round(monotonic() * 1e6)) };
    const held = lines.map(([age, text, device = GPU0]) => {
      const record = asKmsgRecord(
        `<6>[${(monotonic() / 1000 - age).toFixed(6)}] xe ${device.pciBdf}: ${text}`,
        ++sequence,
      );
      return { line: parseKmsgRecord(record), device };
    });
    pipeline.handle({ kind: 'history', source: 'kmsg', ...stamp, lines: held });
  };
  const healthOf = (device: XeDevice = GPU0): DeviceHealth | undefined =>
    pipeline.health.find(({ pciBdf }) => pciBdf === device.pciBdf);
  /** Changes of health since the last call, as `before > after`. */
  const changes = (): string[] =>
    records
      .splice(0)
      .filter(({ eventName }) => eventName === EVENT.deviceHealthChanged)
      .map(
        ({ attributes: { [ATTRIBUTE.deviceHealthPrevious]: before, [ATTRIBUTE.deviceHealth]: after } }) =>
          `${String(before)} > ${String(after)}`,
      );
  const series = async () => parseExposition(await metrics.registry.render('text'));
  return { pipeline, metrics, records, say, remember, healthOf, changes, series, advance, now };
}
