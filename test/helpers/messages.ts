import type { XeDevice } from '../../exporter/host/device.js';
import type { KernelLogBatch, TraceBatch, UeventBatch } from '../../exporter/sources/source.js';
import { parseKmsgRecord } from '../../exporter/wire/kernel-log.js';
import { parseUevent } from '../../exporter/wire/uevent.js';
import { aDevice } from './events.js';

let sequence = 0;

/** A line of the xe driver as /dev/kmsg gives it, read `monotonicMs` after the boot and printed then. */
export function aLine(message: string, monotonicMs: number, device: XeDevice = aDevice()): KernelLogBatch {
  const { pciBdf } = device;
  const micros = Math.floor(monotonicMs * 1000);
  const text = `4,${++sequence},${micros},-;xe ${pciBdf}: [drm] ${message}\n SUBSYSTEM=pci\n DEVICE=+pci:${pciBdf}\n`;
  return { kind: 'kernel_log', source: 'kmsg', line: parseKmsgRecord(text), device, ...stamp(monotonicMs) };
}

/** What the trace of the driver says of a VM that died. @param owner undefined: it does not know whose it was */
export function aKill(
  owner: NonNullable<TraceBatch['kill']>['owner'],
  monotonicMs: number,
  { device = aDevice(), rebind = true } = {},
): TraceBatch {
  const times = stamp(monotonicMs);
  const kill = { nanoseconds: times.monotonicNs, pciBdf: device.pciBdf, owner, rebind };
  return { kind: 'trace', source: 'trace', kill, device, ...times };
}

/** A uevent about the device as the kernel sends it. @param values what it says beside ACTION, DEVPATH and SUBSYSTEM */
export function aUevent(
  [action, subsystem, devpath]: readonly [action: string, subsystem: string, devpath: string],
  values: readonly string[],
  monotonicMs: number,
  device: XeDevice = aDevice(),
): UeventBatch {
  const strings = [
    `${action}@${devpath}`,
    `ACTION=${action}`,
    `DEVPATH=${devpath}`,
    `SUBSYSTEM=${subsystem}`,
    ...values,
  ];
  const uevent = parseUevent(Buffer.from(strings.map((string) => `${string}\0`).join('')));
  return { kind: 'uevent', source: 'uevent', uevent, device, ...stamp(monotonicMs) };
}

function stamp(monotonicMs: number): { realtimeNs: bigint; monotonicNs: bigint } {
  return { realtimeNs: BigInt(Date.now()) * 1_000_000n, monotonicNs: BigInt(Math.floor(monotonicMs * 1e6)) };
}
