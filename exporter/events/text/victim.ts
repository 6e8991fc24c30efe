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

/** The beginning of a sentence about a job: whose it was, where that is known for certain. */
export function aJob(event: DeviceEvent): string {
  return capital(theJob(event));
}

/** The job as the object of a sentence. */
export function theJob({ client, details }: DeviceEvent): string {
  const pid = details?.[ATTRIBUTE.pid];
  if (client) return isPrivate(client) ? 'a job' : `a job of ${nameOf(client)}`;
  return pid === undefined ? 'a job' : `a job of ${processOf(details)}`;
}

function victim({ client, inferred, report, details }: DeviceEvent): string {
  if (client) return capital(nameOf(client));
  if (inferred) return `Probably ${nameOf(inferred.client)}`;
  const pid = details?.[ATTRIBUTE.pid];
  if (pid !== undefined) return capital(processOf(details));
  return report === 'full' ? 'A process that has closed the GPU' : 'An unknown process';
}

function nameOf(client: XeClient): string {
  const { workload, process } = client;
  if (workload?.pod) return `container ${workload.container} of pod ${workload.namespace}/${workload.pod}`;
  return isPrivate(client) ? 'a process' : `process ${oneLine(process.executable)} (pid ${process.pid})`;
}

/** Without an executable, processes are to be kept private. */
function isPrivate({ workload, process }: XeClient): boolean {
  return !workload?.pod && process.executable === '';
}

/** A process that the kernel has named, and that is no client we know. */
function processOf(details: EventDetails | undefined): string {
  const name = details?.[ATTRIBUTE.executable] ?? '(unnamed)';
  return `process ${oneLine(String(name))} (pid ${details?.[ATTRIBUTE.pid]})`;
}

/** A process can call itself anything, but it does not end a sentence. */
function oneLine(name: string): string {
  return name.replace(/\p{Cc}/gu, '\uFFFD');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
