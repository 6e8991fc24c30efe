import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceEvent } from '../../events/device-event.js';
import { HEALTH_REASONS, type HealthReason } from '../../events/device-health.js';
import { eventDefinitions } from '../../events/index.js';
import { readDeviceState } from '../../host/device-state.js';
import { DeviceTable } from '../../host/device-table.js';
import { ATTRIBUTE } from '../../names.js';
import type { NativeAddon } from '../../native/binding.js';
import { Decoder } from '../../pipeline/decode/decoder.js';
import { after, BOUND, NO_GT, reasonAt, type Condition } from '../../pipeline/health/condition.js';
import { deliverLine } from '../../sources/kernel-log/deliver-line.js';
import { parseSyslogLine } from '../../wire/kernel-log.js';
import { PCI_ADDRESS } from '../../wire/pci-address.js';
import type { Finding } from './verdict.js';

/** The default ring has 256 KiB; one that was enlarged is read from its end. */
const MAX_RING_BYTES = 16 << 20;

/** The DRM core says so whenever the driver has come up on a device: what was wrong before is over. */
const CAME_UP = new RegExp(`\\] (?:\\[drm\\] )?Initialized xe .* for (${PCI_ADDRESS}) on minor \\d`);

interface Known {
  readonly condition: Condition;
  /** What began it. */
  readonly first: DeviceEvent | undefined;
}

/**
 * What sysfs and the kernel log since boot say of the GPUs of this node, by the rules of a running exporter. Reads no GPU.
 * @param native undefined where the addon does not load: then the kernel log is not read
 */
export async function lookAtThisNode(
  sysRoot: string,
  native: Pick<NativeAddon, 'readKernelRing'> | undefined,
  wanted: readonly string[],
): Promise<readonly Finding[]> {
  const devices = DeviceTable.overSysfs(sysRoot);
  devices.refresh();
  const ring = await native?.readKernelRing(MAX_RING_BYTES);
  const told =
    ring !== undefined && 'text' in ring ? conditionsIn(Buffer.from(ring.text).toString('utf8'), devices) : undefined;
  const bound = devices.devices.map(({ pciBdf }) => pciBdf);
  const lost = [...(told ?? [])]
    .filter(([, { condition }]) => condition.standing !== undefined)
    .map(([pciBdf]) => pciBdf);
  const addresses = wanted.length > 0 ? wanted : [...new Set([...bound, ...lost])].sort();
  return addresses.map((pciBdf) => {
    if (bound.includes(pciBdf)) {
      const reason = readDeviceState(sysRoot, pciBdf).inSurvivability ? 'survivability' : reasonOf(told, pciBdf);
      return finding(pciBdf, reason, told?.get(pciBdf)?.first);
    }
    const isThere = existsSync(join(sysRoot, 'bus/pci/devices', pciBdf));
    const standing = told?.get(pciBdf)?.condition.standing;
    if (standing === undefined && !isThere) return absent(pciBdf);
    return finding(pciBdf, standing ?? 'not_started', told?.get(pciBdf)?.first);
  });
}

function reasonOf(told: ReadonlyMap<string, Known> | undefined, pciBdf: string): HealthReason {
  if (told === undefined) return 'unseen';
  return reasonAt(told.get(pciBdf)?.condition ?? BOUND, nowMs(), Infinity);
}

/** What the lines of the kernel log say of each device that they name. */
function conditionsIn(text: string, devices: DeviceTable): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  const nothing = { received: () => undefined, dropped: () => undefined };
  const decoder = new Decoder(eventDefinitions, nothing);
  const read = { realtimeNs: BigInt(Date.now()) * 1_000_000n, monotonicNs: process.hrtime.bigint() };
  for (const entry of text.split('\n')) {
    if (!entry.includes('xe ')) continue;
    const cameUp = CAME_UP.exec(entry)?.[1];
    if (cameUp !== undefined) known.delete(cameUp);
    const line = parseSyslogLine(entry);
    if (line?.fromXe !== true) continue;
    deliverLine(line, read, devices, (batch) => decoder.decode(batch, (event) => take(known, event)));
  }
  return known;
}

function take(known: Map<string, Known>, event: DeviceEvent): void {
  const signal = event.definition.health?.(event);
  const pciBdf = event.device?.pciBdf;
  if (signal === undefined || pciBdf === undefined) return;
  const before = known.get(pciBdf);
  const gt = event.details?.[ATTRIBUTE.gtId];
  const at = Number(event.monotonicNs) / 1e6;
  const condition = after(before?.condition ?? BOUND, signal, typeof gt === 'number' ? gt : NO_GT, at);
  known.set(pciBdf, { condition, first: before?.first ?? event });
}

function finding(pciBdf: string, reason: HealthReason, first: DeviceEvent | undefined): Finding {
  const { state, what, advice } = HEALTH_REASONS[reason];
  const isFit = state === 'ok';
  const time = first && new Date(Number(first.realtimeNs / 1_000_000n)).toISOString();
  const cause =
    isFit || first === undefined
      ? undefined
      : { event: first.definition.name, id: null, time: time!, body: first.definition.body(first) };
  return { pciBdf, state, since: isFit ? undefined : time, cause, what: isFit ? '' : `GPU ${pciBdf} ${what}.`, advice };
}

function absent(pciBdf: string): Finding {
  const what = `This node has no PCI device ${pciBdf}.`;
  return {
    pciBdf,
    state: 'unknown',
    since: undefined,
    cause: undefined,
    what,
    advice: 'Check the address with “lspci -D”.',
  };
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
