import type { XeDevice } from '../../exporter/host/device.js';
import type { KernelLogBatch, UeventBatch } from '../../exporter/sources/source.js';
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
