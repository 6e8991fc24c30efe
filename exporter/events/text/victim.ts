import type { XeClient } from '../../clients/client.js';
import { ATTRIBUTE } from '../../names.js';
import type { DeviceEvent, EventDetails } from '../device-event.js';
import { errnoName } from '../../wire/errno.js';

/** The beginning of a sentence about a VM error: who lost which VM where, and the error. */
export function lostVm(event: DeviceEvent): string {
  const where = event.device ? ` on ${event.device.pciBdf}` : '';
  const which = event.vmId === 0 ? 'a GPU VM' : `GPU VM ${event.vmId}`;
  const error = event.errorCode === 0 ? '' : ` (${errnoName(event.errorCode)})`;
  return `${victim(event)} lost ${which}${where}${error}`;
}

/** The VM as an attribute; absent where the source does not name it. The driver counts from 1 (xe_vm.c, Linux 7.2). */
export function vmIdAttribute({ vmId }: DeviceEvent): EventDetails {
  return vmId === 0 ? {} : { [ATTRIBUTE.vmId]: vmId };
}

function victim({ client, inferred, report, details }: DeviceEvent): string {
  if (client) return capital(nameOf(client));
  if (inferred) return `Probably ${nameOf(inferred.client)}`;
  const pid = details?.[ATTRIBUTE.pid];
  if (pid !== undefined) return `Process ${details?.[ATTRIBUTE.executable] ?? '(unnamed)'} (pid ${pid})`;
  return report === 'full' ? 'A process that has closed the GPU' : 'An unknown process';
}

function nameOf({ workload, process }: XeClient): string {
  if (workload?.pod) return `container ${workload.container} of pod ${workload.namespace}/${workload.pod}`;
  // Without an executable, processes are to be kept private.
  return process.executable === '' ? 'a process' : `process ${process.executable} (pid ${process.pid})`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
