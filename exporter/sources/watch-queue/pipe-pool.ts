import type { XeClient } from '../../clients/client.js';
import type { ClientEntry } from '../../clients/client-table.js';
import type { NativeFailure, NativeReader } from '../../native/binding.js';
import { WATCH_IDS } from '../../wire/watch-notification.js';

/** The kernel's maximum; a bigger ring loses less. */
export const RING_RECORDS = 512;

/** One watch id of one pipe, taken from just before the ioctl until nothing can carry the id any more. */
export interface WatchSlot {
  readonly pipe: number;
  readonly watchId: number;
  readonly entry: ClientEntry;
  /** `removed` while the attach call has not returned yet keeps the id from being handed out under its feet. */
  state: 'attaching' | 'attached' | 'removed';
}

interface Pipe {
  /** Indexed by watch id; stamped on every batch of the pipe. */
  readonly owners: (XeClient | undefined)[];
  readonly slots: (WatchSlot | undefined)[];
  /** Oldest first: an id rests as long as possible before it stands for somebody else. */
  readonly free: number[];
}

/**
 * The notification pipes of one source and the client behind each watch id: the only link from a record to a client. Pipes
 * are opened when ids run out and stay open.
 */
export class PipePool {
  readonly #reader: NativeReader;
  readonly #pipes = new Map<number, Pipe>();
  readonly #slotOf = new Map<ClientEntry, WatchSlot>();
  #filter: Uint32Array;

  constructor(reader: NativeReader, filter: Uint32Array) {
    this.#reader = reader;
    this.#filter = filter;
  }

  /** Opens one more pipe, sized and filtered. */
  open(): NativeFailure | undefined {
    const pipe = this.#reader.open(RING_RECORDS);
    if (typeof pipe !== 'number') return pipe;
    const refused = this.#reader.setFilter(pipe, this.#filter);
    if (refused !== undefined) return refused;
    this.#pipes.set(pipe, {
      owners: new Array<XeClient | undefined>(WATCH_IDS).fill(undefined),
      slots: new Array<WatchSlot | undefined>(WATCH_IDS).fill(undefined),
      free: Array.from({ length: WATCH_IDS }, (_, id) => id),
    });
    return undefined;
  }

  /** Replaces the kernel filter of every pipe, while records flow. */
  setFilter(filter: Uint32Array): NativeFailure | undefined {
    this.#filter = filter;
    for (const pipe of this.#pipes.keys()) {
      const refused = this.#reader.setFilter(pipe, filter);
      if (refused) return refused;
    }
    return undefined;
  }

  get size(): number {
    return this.#pipes.size;
  }

  /** Reserves an id for a client, opening a pipe when none is free. */
  acquire(entry: ClientEntry): WatchSlot | NativeFailure {
    let found = [...this.#pipes].find(([, { free }]) => free.length > 0);
    if (found === undefined) {
      const refused = this.open();
      if (refused) return refused;
      found = [...this.#pipes].at(-1)!;
    }
    const [pipe, { free, owners, slots }] = found;
    const slot: WatchSlot = { pipe, watchId: free.shift()!, entry, state: 'attaching' };
    owners[slot.watchId] = entry.client;
    slots[slot.watchId] = slot;
    this.#slotOf.set(entry, slot);
    return slot;
  }

  /** Gives an id back. Only when no record can carry it any more: removal read, attach refused, or client found gone. */
  release(slot: WatchSlot): void {
    const pipe = this.#pipes.get(slot.pipe);
    if (pipe?.slots[slot.watchId] !== slot) return;
    pipe.owners[slot.watchId] = undefined;
    pipe.slots[slot.watchId] = undefined;
    pipe.free.push(slot.watchId);
    this.#slotOf.delete(slot.entry);
  }

  slotOf(entry: ClientEntry): WatchSlot | undefined {
    return this.#slotOf.get(entry);
  }

  slot(pipe: number, watchId: number): WatchSlot | undefined {
    return this.#pipes.get(pipe)?.slots[watchId];
  }

  owners(pipe: number): readonly (XeClient | undefined)[] {
    return this.#pipes.get(pipe)?.owners ?? [];
  }

  /** Every client with an id on a pipe: those a lost removal notice can concern. */
  *entriesOf(pipe: number): Iterable<ClientEntry> {
    for (const slot of this.#pipes.get(pipe)?.slots ?? []) if (slot) yield slot.entry;
  }
}
