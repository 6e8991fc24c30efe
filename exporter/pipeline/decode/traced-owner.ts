import type { EventDetails } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import type { VmOwner } from '../../sources/trace/vm-kills.js';

/** The kernel's names of processes have at most 15 bytes. */
const MAX_COMM = 64;

/** The process that the trace names, as attributes. */
export function ownerDetails({ pid, comm, drmClientId }: VmOwner): EventDetails {
  return {
    [ATTRIBUTE.victimEvidence]: 'kernel_trace',
    ...(pid !== undefined && pid > 0 && { [ATTRIBUTE.pid]: pid }),
    ...(comm !== '' && { [ATTRIBUTE.executable]: comm.slice(0, MAX_COMM).replace(/[\uD800-\uDBFF]$/, '') }),
    ...(drmClientId !== undefined && drmClientId > 0 && { [ATTRIBUTE.drmClientId]: drmClientId }),
  };
}
