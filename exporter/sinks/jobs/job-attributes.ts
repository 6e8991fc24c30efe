import { createHmac, randomBytes } from 'node:crypto';
import type { AttributeValue } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';

/**
 * What a job may know of an event of its own. Not what it would learn of others by: what all of them hold of a device, who holds it,
 * how many lines or events the node has had, and where the node keeps things.
 */
const IS_FOR_JOBS: Readonly<Record<keyof typeof ATTRIBUTE, boolean>> = {
  hwId: true,
  hwType: true,
  hwName: true,
  hwModel: true,
  hwVendor: true,
  hwDriverVersion: true,
  pciBdf: true,
  pciVendorId: true,
  pciDeviceId: true,
  errorType: true,
  pid: true,
  executable: true,
  processCreationTime: true,
  containerId: true,
  k8sNamespace: true,
  k8sPod: true,
  k8sPodUid: true,
  k8sContainer: true,
  systemdUnit: true,
  slurmJobId: true,
  eventId: true,
  eventSource: true,
  suppressedCount: false,
  eventOutcome: true,
  drmClientId: true,
  drmClientHolders: true,
  vmId: true,
  vmErrno: true,
  tileId: true,
  gtId: true,
  gucId: true,
  engineClass: true,
  deviceRecovery: true,
  hardwareErrorSeverity: true,
  devcoredumpPath: false,
  devcoredumpReason: true,
  pageFaultError: true,
  kernelLogMessage: false,
  kernelLogSequence: false,
  sourceState: false,
  sourceReason: false,
  victimEvidence: true,
  victimInferred: true,
  topConsumers: false,
  memorySnapshotAge: false,
};

const FOR_JOBS: ReadonlySet<string> = new Set(
  (Object.keys(ATTRIBUTE) as (keyof typeof ATTRIBUTE)[])
    .filter((key) => IS_FOR_JOBS[key])
    .map((key): string => ATTRIBUTE[key]),
);

/** Ids that count all events of the node. */
const COUNTING: readonly string[] = [ATTRIBUTE.eventId];

/** The attributes of an event as its workload may see them. */
export class JobAttributes {
  readonly #secret = randomBytes(16);

  /** @param owner of the workload. What is the same id for one owner differs for another one, and says nothing about how many there are */
  of(attributes: Readonly<Record<string, AttributeValue>>, owner: string): Record<string, AttributeValue> {
    const shown: Record<string, AttributeValue> = {};
    for (const [name, value] of Object.entries(attributes)) {
      if (FOR_JOBS.has(name)) shown[name] = COUNTING.includes(name) ? this.#opaque(`${owner} ${value}`) : value;
    }
    return shown;
  }

  #opaque(id: string): string {
    return createHmac('sha256', this.#secret).update(id).digest('hex').slice(0, 32);
  }
}
