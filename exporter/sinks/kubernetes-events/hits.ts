import type { Workload } from '../../clients/client.js';
import { vmRebindError } from '../../events/definitions/vm-rebind-error.js';
import { vmRebindOutcome } from '../../events/definitions/vm-rebind-outcome.js';
import type { DeviceEvent } from '../../events/device-event.js';
import type { HealthReason } from '../../events/device-health.js';
import { OUT_OF_MEMORY_REASON } from '../../names.js';
import { isRebindOom } from '../../wire/errno.js';
import type { OpenDevices } from '../open-devices.js';

/** What ends the work of everybody who has the device open, at once and for certain. */
const ENDS_ALL_WORK: ReadonlySet<unknown> = new Set<HealthReason>(['wedged', 'off_bus']);

/** The workloads that an event hit: the one whose client it names, or all that have its device open when that is lost to them. */
export function hitBy(event: DeviceEvent, open: Pick<OpenDevices, 'workloadsOf'>): readonly Workload[] {
  const { definition, client, inferred, device } = event;
  if (definition === vmRebindError || definition.fault !== undefined) {
    const workload = (client ?? inferred?.client)?.workload;
    return workload === undefined ? [] : [workload];
  }
  return device !== undefined && lossOf(event) !== undefined ? open.workloadsOf(device.pciBdf) : [];
}

/** Why the device is lost to everybody who has it open; undefined when it is not. */
export function lossOf(event: DeviceEvent): HealthReason | undefined {
  const signal = event.definition.health?.(event);
  return ENDS_ALL_WORK.has(signal) ? (signal as HealthReason) : undefined;
}

/** Whether a client ran out of GPU memory; so does what became of it. */
export function isOutOfMemory({ definition, errorCode }: DeviceEvent): boolean {
  return (definition === vmRebindError || definition === vmRebindOutcome) && isRebindOom(errorCode);
}

/** The reason of a Kubernetes Event: the log event `xe.job.timeout` is `XeJobTimeout`. */
export function reasonOf(event: DeviceEvent): string {
  if (isOutOfMemory(event)) return OUT_OF_MEMORY_REASON;
  return event.definition.name.split(/[._]/).map(capital).join('');
}

function capital(word: string): string {
  return word === 'vm' ? 'VM' : word.charAt(0).toUpperCase() + word.slice(1);
}
