import type { DeviceEvent } from './device-event.js';
import { errnoName } from './errno.js';

/** Beginning of a sentence about a VM error: who lost which VM where, and the error. */
export function lostVm(event: DeviceEvent): string {
  const where = event.device ? ` on ${event.device.pciBdf}` : '';
  return `${victim(event)} lost GPU VM ${event.subject}${where} (${errnoName(event.code)})`;
}

function victim({ client }: DeviceEvent): string {
  if (client === undefined) return 'A process that is gone';
  const { workload, process } = client;
  if (workload?.pod) return `Container ${workload.container} of pod ${workload.namespace}/${workload.pod}`;
  // Without an executable the sinks were told to keep the process private.
  return process.executable === '' ? 'A process' : `Process ${process.executable} (pid ${process.pid})`;
}
