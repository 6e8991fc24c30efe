import type { ClientEntry, ClientTable } from '../../clients/client-table.js';
import { DRM_MAJOR, type XeDevice } from '../../host/device.js';
import type { DrmFd, NativeFailure, NativeReader } from '../../native/binding.js';
import type { AttachFailureReason } from '../../names.js';
import { attachFailureReason } from './attach-failure.js';
import type { PipePool, WatchSlot } from './pipe-pool.js';

/**
 * Attaches under way at once. The first ioctl on a foreign file waits for an RCU grace period (tens of milliseconds), so that
 * one at a time would be slow. libuv's pool has four threads, and discovery may have two of them waiting for a GPU.
 */
const ATTACHES_AT_ONCE = 2;

/** A client that refused is tried again after 1, 2, 4, ... looks, at most this many. */
const MAX_BACKOFF_LOOKS = 64;

export interface AttacherOptions {
  readonly reader: Pick<NativeReader, 'borrow'>;
  readonly pool: PipePool;
  readonly clients: ClientTable;
  /** The proven watch ioctl of a device; undefined while there is none. */
  readonly requestFor: (device: XeDevice) => number | undefined;
  readonly onAttached: (entry: ClientEntry) => void;
  /** Called once for each client and reason, not for every retry. */
  readonly onFailed: (entry: ClientEntry, reason: AttachFailureReason, failure: NativeFailure) => void;
}

interface Retry {
  waitLooks: number;
  readonly nextWait: number;
  readonly reported: ReadonlySet<AttachFailureReason>;
}

/** Puts one watch on every client of the table, a few at a time, oldest first. */
export class Attacher {
  readonly #options: AttacherOptions;
  readonly #queue = new Set<ClientEntry>();
  readonly #retries = new WeakMap<ClientEntry, Retry>();
  readonly #underWay = new Set<Promise<void>>();
  /**
   * Ids of clients given up without a removal notice, those of this look and of the one before. They rest until what was read
   * under them has surely been delivered: an event must not go to the id's next owner.
   */
  #givenUp: WatchSlot[] = [];
  #resting: WatchSlot[] = [];
  #stopped = false;

  constructor(options: AttacherOptions) {
    this.#options = options;
  }

  /** The client left the table. */
  removed(entry: ClientEntry): void {
    this.#forget(entry);
  }

  /** The client's removal notice may be lost. */
  suspected(entry: ClientEntry): void {
    // Closed while it was being attached: it has left the table already.
    if (this.#options.clients.get(entry.client.drmClientId) !== entry) this.#forget(entry);
  }

  /** The node has been looked at once more. */
  reconciled(): void {
    this.#releaseRested();
    this.#retryDue();
  }

  enqueue(entry: ClientEntry): void {
    this.#queue.add(entry);
    this.#pump();
  }

  /** The removal notice of a watch id was read: the client is gone and the id is free, unless its attach is still under way. */
  removalRead(slot: WatchSlot): void {
    const attaching = slot.state === 'attaching';
    slot.state = 'removed';
    if (!attaching) this.#options.pool.release(slot);
    this.#options.clients.remove(slot.entry);
  }

  /** Starts no more attaches and waits for those under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#underWay);
  }

  #pump(): void {
    for (const entry of this.#queue) {
      if (this.#stopped || this.#underWay.size >= ATTACHES_AT_ONCE) return;
      this.#queue.delete(entry);
      const request = this.#options.requestFor(entry.client.device);
      // Without a proven ioctl the client waits for the next look; the feature state says why.
      if (request === undefined || this.#options.pool.slotOf(entry)) continue;
      const work: Promise<void> = this.#attach(entry, request).finally(() => {
        this.#underWay.delete(work);
        this.#pump();
      });
      this.#underWay.add(work);
    }
  }

  async #attach(entry: ClientEntry, request: number): Promise<void> {
    const { pool, clients, onAttached } = this.#options;
    const slot = pool.acquire(entry);
    if ('errno' in slot) return this.#failed(entry, slot);
    const failure = await this.#borrowFromAny(entry.holders, slot, request);
    if (failure !== undefined || slot.state === 'removed') pool.release(slot);
    else slot.state = 'attached';
    if (failure !== undefined) return this.#failed(entry, failure);
    clients.setWatched(entry, slot.state === 'attached');
    onAttached(entry);
  }

  /** Every holder's fd is the same file: any that is still there and lets us will do. */
  async #borrowFromAny(
    holders: readonly DrmFd[],
    { pipe, watchId }: WatchSlot,
    request: number,
  ): Promise<NativeFailure | undefined> {
    let refused: NativeFailure = { operation: 'pidfd_open', errno: 3 /* ESRCH: no holder left */ };
    for (const { pid, startTime, fd, minor } of holders) {
      const failure = await this.#options.reader.borrow({
        pid,
        startTime,
        fd,
        major: DRM_MAJOR,
        minor,
        pipe,
        watchId,
        request,
      });
      if (failure === undefined) return undefined;
      const reason = attachFailureReason(failure);
      if (reason !== 'gone' && reason !== 'denied') return failure;
      // A denial can be mended and is worth telling; a holder that left is not.
      if (reason === 'denied' || attachFailureReason(refused) === 'gone') refused = failure;
    }
    return refused;
  }

  #failed(entry: ClientEntry, failure: NativeFailure): void {
    const reason = attachFailureReason(failure);
    const { nextWait = 1, reported = new Set<AttachFailureReason>() } = this.#retries.get(entry) ?? {};
    this.#retries.set(entry, {
      waitLooks: nextWait,
      nextWait: Math.min(nextWait * 2, MAX_BACKOFF_LOOKS),
      reported: new Set([...reported, reason]),
    });
    // The file behind that number may have changed: it has to be asked again who it is.
    if (reason === 'gone') this.#options.clients.suspect(entry);
    if (!reported.has(reason)) this.#options.onFailed(entry, reason, failure);
  }

  #retryDue(): void {
    for (const entry of this.#options.clients.entries()) {
      if (entry.watched || this.#options.pool.slotOf(entry)) continue;
      const retry = this.#retries.get(entry);
      if (retry === undefined || --retry.waitLooks <= 0) this.enqueue(entry);
    }
  }

  #forget(entry: ClientEntry): void {
    this.#queue.delete(entry);
    const slot = this.#options.pool.slotOf(entry);
    // An id still being attached, or whose removal was read, is released by those who know; this is the client found gone.
    if (slot?.state === 'attached') this.#givenUp.push(slot);
  }

  #releaseRested(): void {
    for (const slot of this.#resting) this.#options.pool.release(slot);
    this.#resting = this.#givenUp;
    this.#givenUp = [];
  }
}
