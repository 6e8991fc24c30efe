import { constants } from 'node:os';
import type { XeDevice } from '../host/device.js';
import type { RegionMemory } from '../host/memory.js';
import type { NativeFailure } from '../native/binding.js';
import type { MemoryAnswers } from './memory-feature.js';
import { isRefusal, type MemoryItem, type MemoryReader, type MemoryResult } from './memory-reader.js';

const { EACCES, EPERM } = constants.errno;

/** What was read more recently than this is not read again: simultaneous errors share one read. */
export const SHARED_FOR_MS = 250;

/** Items that can wait, of each kind; any beyond that are not read. */
const MOST_WAITING = 4_096;

/** The last good reading of one item. */
export interface Reading<Value extends MemoryResult = Exclude<MemoryResult, NativeFailure>> {
  readonly value: Value;
  /** Of the clock of {@link DeviceMemory}, in milliseconds. */
  readonly at: number;
  /** CLOCK_REALTIME, nanoseconds. */
  readonly realtimeNs: bigint;
}

interface Waiter {
  readonly open: Set<MemoryItem>;
  readonly resolve: () => void;
}

/**
 * What is known about one device's memory, and the one read of it in flight. An urgent read interrupts one that is not,
 * which continues afterwards.
 */
export class DeviceMemory implements MemoryAnswers {
  readonly #device: XeDevice;
  readonly #reader: MemoryReader;
  readonly #now: () => number;
  readonly #readings = new Map<MemoryItem, Reading>();
  /** When each item was last answered, including refusals. */
  readonly #answeredAt = new Map<MemoryItem, number>();
  readonly #waiters = new Set<Waiter>();
  readonly #urgent = new Set<MemoryItem>();
  readonly #waiting = new Set<MemoryItem>();
  #underWay: { readonly items: ReadonlySet<MemoryItem>; readonly urgent: boolean; cancel: () => void } | undefined;
  #givenUp = false;
  regionsRefusal: NativeFailure | undefined;
  clientRefusal: NativeFailure | undefined;

  constructor(device: XeDevice, reader: MemoryReader, now: () => number) {
    this.#device = device;
    this.#reader = reader;
    this.#now = now;
  }

  /** While it is, nothing is read. */
  get hung(): boolean {
    return this.#givenUp;
  }

  get(item: MemoryItem): Reading | undefined {
    return this.#readings.get(item);
  }

  /** At the last good reading; empty without one. */
  get regions(): readonly RegionMemory[] {
    return (this.get('regions')?.value ?? []) as readonly RegionMemory[];
  }

  /**
   * Reads these items, in order and beginning in this turn, unless they have just been read. Resolves when each has
   * been answered or everything was given up; never rejects.
   */
  read(items: readonly MemoryItem[], { urgent = false } = {}): Promise<void> {
    if (this.#givenUp) return Promise.resolve();
    const now = this.#now();
    const queue = urgent ? this.#urgent : this.#waiting;
    const open = new Set<MemoryItem>();
    for (const item of items) {
      if (now - (this.#answeredAt.get(item) ?? -Infinity) < SHARED_FOR_MS) continue;
      if (!this.#underWay?.items.has(item)) {
        if (queue.size >= MOST_WAITING) break;
        queue.add(item);
      }
      open.add(item);
    }
    if (open.size === 0) return Promise.resolve();
    const answered = new Promise<void>((resolve) => this.#waiters.add({ open, resolve }));
    if (this.#underWay === undefined) this.#begin();
    else if (this.#urgent.size > 0 && !this.#underWay.urgent) this.#underWay.cancel();
    return answered;
  }

  /** Stops waiting for the read in flight; nothing new begins until it returns. */
  giveUp(): void {
    this.#givenUp = this.#underWay !== undefined;
    this.#urgent.clear();
    this.#waiting.clear();
    this.#underWay?.cancel();
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters.clear();
  }

  /** Earlier readings are no longer valid. */
  forget(item: MemoryItem): void {
    this.#readings.delete(item);
    this.#answeredAt.delete(item);
  }

  /** Forgets every client that is not among these. */
  retain(clients: ReadonlySet<MemoryItem>): void {
    for (const item of [...this.#answeredAt.keys()]) if (item !== 'regions' && !clients.has(item)) this.forget(item);
  }

  forgetAll(): void {
    this.#readings.clear();
    this.#answeredAt.clear();
  }

  /** Urgent items alone, so that more of them need not wait for the rest. */
  #begin(): void {
    const urgent = this.#urgent.size > 0;
    const queue = urgent ? this.#urgent : this.#waiting;
    const items = [...queue];
    queue.clear();
    if (items.length === 0) return;
    const cancel = this.#reader.read(this.#device, items, {
      onResult: (item, result) => this.#accept(item, result),
      onEnd: () => {
        this.#underWay = undefined;
        this.#givenUp = false;
        this.#begin();
      },
    });
    this.#underWay = { items: new Set(items), urgent, cancel };
  }

  #accept(item: MemoryItem, result: MemoryResult): void {
    if (isRefusal(result) && result.operation === 'cancelled') {
      if (!this.#givenUp && !this.#urgent.has(item)) this.#waiting.add(item);
      return;
    }
    const at = this.#now();
    this.#answeredAt.set(item, at);
    if (item === 'regions') this.regionsRefusal = isRefusal(result) ? result : undefined;
    else this.#judgeClient(result);
    if (isRefusal(result)) this.#readings.delete(item);
    else this.#readings.set(item, { value: result, at, realtimeNs: BigInt(Date.now()) * 1_000_000n });
    for (const waiter of this.#waiters) {
      waiter.open.delete(item);
      if (waiter.open.size > 0) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** A client that has left meanwhile says nothing about our privileges. */
  #judgeClient(result: MemoryResult): void {
    if (!isRefusal(result)) this.clientRefusal = undefined;
    else if (result.errno === EACCES || result.errno === EPERM) this.clientRefusal = result;
  }
}
