import { randomBytes } from 'node:crypto';
import type { Workload } from '../../clients/client.js';
import type { DeviceEvent } from '../../events/device-event.js';
import { apiTime, type ApiEvent } from '../../kubernetes/events/api-events.js';
import { ATTRIBUTE, KUBERNETES_COMPONENT, type Outcome } from '../../names.js';
import { reasonOf } from './hits.js';
import { adviceFor, messageOf, whatHappened } from './message.js';
import type { TokenBucket } from '../../time/token-bucket.js';

/** Who writes Events. */
export interface Reporter {
  readonly nodeName: string;
  /** The pod of the exporter, or the node. */
  readonly instance: string;
  /** `service.instance.id`, the first half of `xe.event.id`. */
  readonly instanceId: string;
  /** False leaves out the executable of the victim. */
  readonly includeProcess: boolean;
}

/** The API server's bound on a name; the suffix is a dot and 16 hexadecimal digits. */
const MAX_POD_PART = 253 - 17;
const MAX_INSTANCE_LENGTH = 128;

/** What one Event tells of: errors of one kind that hit one container on one GPU. */
export class Series {
  readonly workload: Workload;
  /** Shared by all series of the pod. */
  readonly pace: TokenBucket;
  /** Whether the API server has the Event, as far as is known. */
  exists = false;
  readonly #name: string;
  readonly #reason: string;
  readonly #evidence;
  #count = 0;
  #told = 0;
  #touchedAt = 0;
  #first: bigint | undefined;
  #last = 0n;
  #latest: DeviceEvent | undefined;
  #clientId: number | undefined;
  #sequence = 0;
  #what = '';
  #advice = '';
  /** What became of the client of the last error. */
  #outcome: Outcome | undefined;

  /** @param event the first of them */
  constructor(event: DeviceEvent, workload: Workload, pace: TokenBucket) {
    this.workload = workload;
    this.pace = pace;
    this.#reason = reasonOf(event);
    this.#evidence = event.client ? undefined : event.inferred?.evidence;
    // Unlike a time, two series of one moment do not share it.
    const pod = workload.pod.slice(0, MAX_POD_PART).replace(/[^a-z0-9]+$/, '');
    this.#name = `${pod}.${randomBytes(8).toString('hex')}`;
  }

  /** Errors so far, those that were given up not among them. */
  get count(): number {
    return this.#count;
  }

  /** How many of them no Event tells of yet. */
  get untold(): number {
    return this.#count - this.#told;
  }

  /** When the last error came, on the clock of the sink. */
  get touchedAt(): number {
    return this.#touchedAt;
  }

  add(event: DeviceEvent, now: number): void {
    this.#count++;
    this.#touchedAt = now;
    this.#outcome = undefined;
    this.#first ??= event.realtimeNs;
    if (event.realtimeNs > this.#last) this.#last = event.realtimeNs;
    this.#latest = event;
    this.#clientId = event.client?.drmClientId;
    this.#sequence = event.sequence;
  }

  /** Takes what became of the client of the last error. @returns whether that is news for the owner of the pod */
  conclude({ client, outcome }: DeviceEvent): boolean {
    if (client?.drmClientId !== this.#clientId || (outcome !== 'exited' && outcome !== 'survived')) return false;
    this.#outcome = outcome;
    return true;
  }

  /** The API server has an Event that tells of so many. */
  tell(count: number): void {
    this.exists = true;
    this.#told = count;
  }

  /** Gives up what is untold. */
  discard(): void {
    this.#count = this.#told;
    if (this.#count === 0) this.#first = undefined;
  }

  /** The Event as it should be now. */
  toEvent({ nodeName, instance, instanceId, includeProcess }: Reporter): ApiEvent {
    if (this.#latest) {
      this.#what = whatHappened(this.#latest, { nodeName, includeProcess });
      this.#advice = adviceFor(this.#latest);
    }
    // With it goes the snapshot of the memory of the device.
    this.#latest = undefined;
    const { namespace, pod, podUid, staticPodUid } = this.workload;
    // The kubelet's Events of a static pod have this uid, and kubectl describe looks for no other.
    const uid = staticPodUid ?? podUid;
    const since = secondsOf(this.#first ?? 0n);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: this.#name,
        namespace,
        annotations: {
          [ATTRIBUTE.eventId]: `${instanceId}-${this.#sequence}`,
          ...(this.#evidence && {
            [ATTRIBUTE.victimInferred]: 'true',
            [ATTRIBUTE.victimEvidence]: this.#evidence,
          }),
        },
      },
      involvedObject: { kind: 'Pod', apiVersion: 'v1', namespace, name: pod, ...(uid !== '' && { uid }) },
      type: 'Warning',
      reason: this.#reason,
      message: messageOf({
        what: this.#what,
        count: this.#count,
        since,
        outcome: this.#outcome,
        advice: this.#advice,
        evidence: this.#evidence,
      }),
      count: this.#count,
      firstTimestamp: since,
      lastTimestamp: secondsOf(this.#last),
      source: { component: KUBERNETES_COMPONENT, host: nodeName },
      reportingComponent: KUBERNETES_COMPONENT,
      reportingInstance: instance.slice(0, MAX_INSTANCE_LENGTH),
    };
  }
}

function secondsOf(ns: bigint): string {
  return apiTime(Number(ns / 1_000_000n));
}
