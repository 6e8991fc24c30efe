import type { XeDevice } from '../host/device.js';
import type { DrmFd } from '../native/binding.js';
import type { Workload, XeClient } from './client.js';

/** One client and what is known about it now. Changed only through {@link ClientTable}. */
export interface ClientEntry {
  readonly client: XeClient;
  /** The open fds seen at the last look, the oldest process first. Empty while only a mapping keeps the file alive. */
  holders: readonly DrmFd[];
  /** True while we watch the file. */
  watched: boolean;
  /** True when its removal notice may have been lost, so that absence from /proc has to decide instead. */
  removalMayBeLost: boolean;
  /** How many scans in a row found no holder. */
  absences: number;
}

export interface ClientCounts {
  readonly present: number;
  readonly watched: number;
}

/** What a table tells its subscribers, synchronously. */
export interface ClientTableListener {
  added?(entry: ClientEntry): void;
  removed?(entry: ClientEntry): void;
  /** The client's workload now has names that it did not have when it was added. */
  named?(entry: ClientEntry): void;
  /** The entry's removal notice may have been lost: what is known about its fds must be checked again. */
  suspected?(entry: ClientEntry): void;
  /** One scan of the node has been processed. */
  reconciled?(): void;
  countsChanged?(device: XeDevice, counts: ClientCounts): void;
}

/** A watched client whose removal notice may be lost is given up after two scans without it: a single scan can race. */
const ABSENCES_TO_GIVE_UP = 2;

const NONE: ClientCounts = { present: 0, watched: 0 };

/**
 * The xe clients of the node, keyed by drm-client-id. Bounded: clients beyond `limit` are refused and show as missing
 * watch coverage.
 */
export class ClientTable {
  readonly #entries = new Map<number, ClientEntry>();
  readonly #counts = new Map<XeDevice, ClientCounts>();
  readonly #listeners: ClientTableListener[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  subscribe(listener: ClientTableListener): void {
    this.#listeners.push(listener);
  }

  get full(): boolean {
    return this.#entries.size >= this.#limit;
  }

  get(drmClientId: number): ClientEntry | undefined {
    return this.#entries.get(drmClientId);
  }

  entries(): IterableIterator<ClientEntry> {
    return this.#entries.values();
  }

  /** @returns clients present and watched on one device. */
  counts(device: XeDevice): ClientCounts {
    return this.#counts.get(device) ?? NONE;
  }

  /** Adds a client that is not in the table. @returns undefined when the table is full. */
  add(client: XeClient, holders: readonly DrmFd[]): ClientEntry | undefined {
    if (this.full) return undefined;
    client.holderCount = processes(holders);
    const entry = { client, holders, watched: false, removalMayBeLost: false, absences: 0 };
    this.#entries.set(client.drmClientId, entry);
    this.#count(client.device, 1, 0);
    for (const listener of this.#listeners) listener.added?.(entry);
    return entry;
  }

  /** Removes a client for good: its file is gone. No effect when it is no longer in the table. */
  remove(entry: ClientEntry): void {
    if (!this.#holds(entry)) return;
    this.setWatched(entry, false);
    this.#entries.delete(entry.client.drmClientId);
    this.#count(entry.client.device, -1, 0);
    for (const listener of this.#listeners) listener.removed?.(entry);
  }

  setWorkload(client: XeClient, workload: Workload | undefined): void {
    client.workload = workload;
    const entry = this.get(client.drmClientId);
    if (entry?.client === client) for (const listener of this.#listeners) listener.named?.(entry);
  }

  setWatched(entry: ClientEntry, watched: boolean): void {
    if (entry.watched === watched || !this.#holds(entry)) return;
    entry.watched = watched;
    this.#count(entry.client.device, 0, watched ? 1 : -1);
  }

  /** Marks a client whose removal notice may be among lost records. */
  suspect(entry: ClientEntry): void {
    // Earlier scans prove nothing: a mapping alone keeps a file alive without a holder.
    if (!entry.removalMayBeLost) entry.absences = 0;
    entry.removalMayBeLost = true;
    for (const listener of this.#listeners) listener.suspected?.(entry);
  }

  /**
   * Takes the holders of every client as one scan of /proc found them. A client without holders is gone, unless it is
   * watched: a mapping or a file in flight on a socket keeps it alive unseen, and its removal notice will come.
   *
   * @param doubtful clients whose fd was seen but not yet checked to still be theirs: neither present nor absent
   */
  reconcile(holders: ReadonlyMap<number, readonly DrmFd[]>, doubtful: ReadonlySet<number> = new Set()): void {
    for (const entry of [...this.#entries.values()]) {
      const now = holders.get(entry.client.drmClientId);
      if (now !== undefined) {
        Object.assign(entry, { holders: now, absences: 0, removalMayBeLost: false });
        entry.client.holderCount = processes(now);
        continue;
      }
      if (!doubtful.has(entry.client.drmClientId)) this.#absent(entry);
    }
    for (const listener of this.#listeners) listener.reconciled?.();
  }

  /** Takes the kernel's own list of all clients as one scan, which says nothing about holders. */
  confirm(alive: ReadonlySet<number>): void {
    for (const entry of [...this.#entries.values()]) {
      if (alive.has(entry.client.drmClientId)) Object.assign(entry, { absences: 0, removalMayBeLost: false });
      else this.#absent(entry);
    }
    for (const listener of this.#listeners) listener.reconciled?.();
  }

  /**
   * The kernel reports that a client is being closed. A watched one stays until its removal notice: teardown before
   * that can take a while, and the watch id must not be given to another client in the meantime.
   */
  closing(entry: ClientEntry): void {
    entry.holders = [];
    if (!entry.watched) this.remove(entry);
  }

  #absent(entry: ClientEntry): void {
    entry.holders = [];
    entry.absences++;
    if (!entry.watched || (entry.removalMayBeLost && entry.absences >= ABSENCES_TO_GIVE_UP)) this.remove(entry);
  }

  #holds(entry: ClientEntry): boolean {
    return this.#entries.get(entry.client.drmClientId) === entry;
  }

  #count(device: XeDevice, present: number, watched: number): void {
    const before = this.counts(device);
    const counts = { present: before.present + present, watched: before.watched + watched };
    if (counts.present === 0) this.#counts.delete(device);
    else this.#counts.set(device, counts);
    for (const listener of this.#listeners) listener.countsChanged?.(device, counts);
  }
}

function processes(fds: readonly DrmFd[]): number {
  return new Set(fds.map(({ pid }) => pid)).size;
}
