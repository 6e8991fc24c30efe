import type { DeviceTable } from '../../host/device-table.js';
import type { KernelLogLine } from '../../wire/kernel-log.js';
import type { ReadTime } from '../message-run.js';
import type { BatchHandler } from '../source.js';

/** Hands on one line with the device it is about: of a line of the xe driver, also one that could never be bound. */
export function deliverLine(
  line: KernelLogLine | undefined,
  { realtimeNs, monotonicNs }: ReadTime,
  devices: Pick<DeviceTable, 'at' | 'named'>,
  handler: BatchHandler,
): void {
  const address = line?.pciBdf;
  const device = address === undefined ? undefined : line?.fromXe ? devices.named(address) : devices.at(address);
  handler({ kind: 'kernel_log', source: 'kmsg', realtimeNs, monotonicNs, line, device });
}
