import { constants } from 'node:os';
import type { XeDevice } from '../host/device.js';
import type { RegionMemory } from '../host/memory.js';
import type { NativeFailure } from '../native/binding.js';
import type { MemoryAnswers } from './memory-feature.js';
import { isRefusal, type MemoryItem, type MemoryReader, type MemoryResult } from './memory-reader.js';

const { EACCES, EPERM } = constants.errno;

/** What was read more recently than this is not read again: errors of one moment share one look. */
export const SHARED_FOR_MS = 250;

/** Items that wait at a time, of each kind; what lies beyond is not read. */
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
 * What is known of one device's memory, and the one read of it that is under way. What is urgent breaks off what is not, which is
 * taken up again behind it. JavaScript thread only.
 */
export class DeviceMemory implements MemoryAnswers {
  readonly #device: XeDevice;
  readonly #reader: MemoryReader;
  readonly #now: () => number;
  readonly #readings = new Map<MemoryItem, Reading>();
  /** When each item was answered last, refusals included. */
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
   * Reads these items, in their order and beginning in this turn, unless they have just been read. Resolves when each was
   * answered, or everything was given up; never rejects.
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

  /** Nobody waits any longer for what is under way, and nothing is begun until it has come back. */
  giveUp(): void {
    this.#givenUp = this.#underWay !== undefined;
    this.#urgent.clear();
    this.#waiting.clear();
    this.#underWay?.cancel();
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters.clear();
  }

  /** What was read once is not true any more. */
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

  /** What is urgent alone, so that more of it need not wait for the rest. */
  #begin(): void {
    const urgent = this.#urgent.size > 0;
    const queue = urgent ? this.#urgent : this.#waiting;
    const items = [...queue];
    queue.clear();
    if (items.length === 0) return;
    const cancel = this.#reader.read(this.#device, items, {
      onResult: (item, result) => this.#take(item, result),
      onEnd: () => {
        this.#underWay = undefined;
        this.#givenUp = false;
        this.#begin();
      },
    });
    this.#underWay = { items: new Set(items), urgent, cancel };
  }

  #take(item: MemoryItem, result: MemoryResult): void {
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

  /** A client that has gone meanwhile tells nothing of what we may do. */
  #judgeClient(result: MemoryResult): void {
    if (!isRefusal(result)) this.clientRefusal = undefined;
    else if (result.errno === EACCES || result.errno === EPERM) this.clientRefusal = result;
  }
}
