import type { PodName, PodQuery } from './pod-directory.js';
import type { PodRecord } from './pod-record.js';

export interface PodIndexOptions {
  readonly maxPods?: number;
  /** How long a pod is remembered after its end: the victim is often gone by the time it is looked up. */
  readonly retentionMs?: number;
  /** Milliseconds on a clock that never steps back. */
  readonly now?: () => number;
}

const DEFAULT_MAX_PODS = 5_000;
const DEFAULT_RETENTION_MS = 15 * 60_000;

/** Container ids remembered per pod: one that restarts in a loop has a new one every few minutes. */
const MAX_CONTAINERS = 256;

interface Entry {
  record: PodRecord;
  /** From every record so far: a restarted container has a new id, while events of the old one still arrive. */
  readonly containers: Map<string, string>;
  departedAt: number | undefined;
}

/**
 * Pods by uid and container id. Bounded: when full, pods that have ended are evicted, longest gone first. A living pod
 * is never evicted for another one; what does not fit is refused and counted.
 */
export class PodIndex {
  readonly #maxPods: number;
  readonly #retentionMs: number;
  readonly #now: () => number;
  readonly #pods = new Map<string, Entry>();
  /** In the order in which they ended. */
  readonly #departed = new Map<string, Entry>();
  readonly #byCgroupUid = new Map<string, Entry>();
  readonly #byContainer = new Map<string, Entry>();
  #refused = 0;

  constructor({
    maxPods = DEFAULT_MAX_PODS,
    retentionMs = DEFAULT_RETENTION_MS,
    now = () => performance.now(),
  }: PodIndexOptions = {}) {
    this.#maxPods = maxPods;
    this.#retentionMs = retentionMs;
    this.#now = now;
  }

  get size(): number {
    return this.#pods.size;
  }

  /** Living pods that did not fit, since the last {@link replaceAll}. */
  get refused(): number {
    return this.#refused;
  }

  /** @returns whether an answer of {@link lookup} may have changed */
  put(record: PodRecord): boolean {
    const known = this.#pods.get(record.uid);
    if (known === undefined) return this.#add(record);
    const before = known.record;
    const changed =
      before.cgroupUid !== record.cgroupUid ||
      before.onlyContainer !== record.onlyContainer ||
      [...record.containers].some(([id, name]) => known.containers.get(id) !== name);
    known.record = record;
    known.departedAt = undefined;
    this.#departed.delete(record.uid);
    if (changed) this.#link(known);
    return changed;
  }

  /** The pod is gone; its names stay for the retention. */
  remove(uid: string): void {
    const entry = this.#pods.get(uid);
    if (entry === undefined || entry.departedAt !== undefined) return;
    entry.departedAt = this.#now();
    this.#departed.set(uid, entry);
    this.#purge();
  }

  /** Replaces everything by a full list: what is not on it is gone. @returns as {@link put} */
  replaceAll(records: readonly PodRecord[]): boolean {
    const listed = new Set(records.map(({ uid }) => uid));
    for (const uid of [...this.#pods.keys()]) if (!listed.has(uid)) this.remove(uid);
    this.#refused = 0;
    let changed = false;
    for (const record of records) changed = this.put(record) || changed;
    return changed;
  }

  lookup({ containerId, podUid }: PodQuery): PodName | undefined {
    this.#purge();
    const ofPod = podUid === '' ? undefined : (this.#byCgroupUid.get(podUid) ?? this.#pods.get(podUid));
    const ofContainer = containerId === '' ? undefined : this.#byContainer.get(containerId);
    // The kubelet creates the pod's cgroup; a container id below it that belongs to another pod cannot be trusted.
    const entry = podUid === '' ? ofContainer : ofPod;
    if (entry === undefined) return undefined;
    const { namespace, pod, uid, cgroupUid, onlyContainer } = entry.record;
    const container = entry.containers.get(containerId) ?? (containerId === '' ? '' : onlyContainer);
    return { namespace, pod, container, podUid: uid, ...(cgroupUid !== uid && { staticPodUid: cgroupUid }) };
  }

  #add(record: PodRecord): boolean {
    this.#purge();
    if (this.#pods.size >= this.#maxPods) {
      const [oldest] = this.#departed.values();
      if (oldest === undefined) {
        this.#refused++;
        return false;
      }
      this.#forget(oldest);
    }
    const entry: Entry = { record, containers: new Map(), departedAt: undefined };
    this.#pods.set(record.uid, entry);
    this.#link(entry);
    return true;
  }

  #link(entry: Entry): void {
    const { record, containers } = entry;
    this.#byCgroupUid.set(record.cgroupUid, entry);
    for (const [id, name] of record.containers) {
      containers.delete(id);
      containers.set(id, name);
      this.#byContainer.set(id, entry);
    }
    for (const id of [...containers.keys()].slice(0, Math.max(0, containers.size - MAX_CONTAINERS))) {
      containers.delete(id);
      this.#unlink(this.#byContainer, id, entry);
    }
  }

  #purge(): void {
    const horizon = this.#now() - this.#retentionMs;
    for (const entry of this.#departed.values()) {
      if ((entry.departedAt ?? 0) > horizon) return;
      this.#forget(entry);
    }
  }

  #forget(entry: Entry): void {
    const { uid, cgroupUid } = entry.record;
    this.#pods.delete(uid);
    this.#departed.delete(uid);
    this.#unlink(this.#byCgroupUid, cgroupUid, entry);
    for (const id of entry.containers.keys()) this.#unlink(this.#byContainer, id, entry);
  }

  /** A key may have moved to another entry: the mirror of a static pod is recreated under the same hash. */
  #unlink(map: Map<string, Entry>, key: string, entry: Entry): void {
    if (map.get(key) === entry) map.delete(key);
  }
}
