import { createHmac, randomBytes } from 'node:crypto';
import type { AttributeValue } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';

/**
 * What a job may know of an event of its own. Not what it would learn of others by: what all of them hold of a device, who holds it,
 * how many lines or events the node has had, and where the node keeps things.
 */
const FOR_JOBS: ReadonlySet<string> = new Set(
  (
    [
      'hwId',
      'hwType',
      'hwName',
      'hwModel',
      'hwVendor',
      'hwDriverVersion',
      'pciBdf',
      'pciVendorId',
      'pciDeviceId',
      'errorType',
      'pid',
      'executable',
      'processCreationTime',
      'containerId',
      'k8sNamespace',
      'k8sPod',
      'k8sPodUid',
      'k8sContainer',
      'systemdUnit',
      'slurmJobId',
      'eventId',
      'eventCauseId',
      'eventSource',
      'eventOutcome',
      'drmClientId',
      'drmClientHolders',
      'vmId',
      'vmErrno',
      'tileId',
      'gtId',
      'gucId',
      'engineClass',
      'deviceRecovery',
      'deviceHealth',
      'deviceHealthPrevious',
      'deviceHealthReason',
      'hardwareErrorSeverity',
      'devcoredumpReason',
      'pageFaultError',
      'victimEvidence',
      'victimInferred',
    ] as const satisfies readonly (keyof typeof ATTRIBUTE)[]
  ).map((key) => ATTRIBUTE[key]),
);

/** Ids that count all events of the node. */
const COUNTING: readonly string[] = [ATTRIBUTE.eventId, ATTRIBUTE.eventCauseId];

/** The attributes of an event as its workload may see them. */
export class JobAttributes {
  readonly #secret = randomBytes(16);

  /** @param owner of the workload. What is the same id for one owner differs for another one, and says nothing about how many there are */
  of(attributes: Readonly<Record<string, AttributeValue>>, owner: string): Record<string, AttributeValue> {
    const shown: Record<string, AttributeValue> = {};
    for (const [name, value] of Object.entries(attributes)) {
      if (FOR_JOBS.has(name)) shown[name] = COUNTING.includes(name) ? this.opaqueId(String(value), owner) : value;
    }
    return shown;
  }

  /** An id of an event, for one owner. */
  opaqueId(id: string, owner: string): string {
    return createHmac('sha256', this.#secret).update(`${owner} ${id}`).digest('hex').slice(0, 32);
  }
}
