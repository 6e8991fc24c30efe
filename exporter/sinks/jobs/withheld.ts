import { BoundedMap } from '../../bounded-map.js';
import { GAP, type FeedEvent, type Gap } from '../../events/event-feed.js';

/** How long a workload waits for the notice at most: so it costs one notice a second, however many events there are. */
const NOTICE_MS = 1000;

/** As many workloads as have a pace of their own. */
const MOST_OWNERS = 4096;

/** Puts a notice among the events of a workload. */
export type Publish = (owner: string, notice: Omit<FeedEvent, 'number'>) => void;

/** Counts the events that workloads are not told because they have too many, and tells each of them how many those were. */
export class Withheld {
  readonly #publish: Publish;
  readonly #counts = new BoundedMap<string, number>(MOST_OWNERS);
  #timer: NodeJS.Timeout | undefined;

  constructor(publish: Publish) {
    this.#publish = publish;
  }

  add(owner: string): void {
    const left = this.#counts.set(owner, (this.#counts.get(owner) ?? 0) + 1);
    if (left) this.#publish(left[0], notice(left[1]));
    this.#timer ??= setTimeout(() => this.#tellAll(), NOTICE_MS).unref();
  }

  /** Tells what has not been told. */
  close(): void {
    this.#tellAll();
  }

  #tellAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [owner, missed] of this.#counts) this.#publish(owner, notice(missed));
    this.#counts.clear();
  }
}

function notice(missed: number): Omit<FeedEvent, 'number'> {
  const gap: Gap = { reason: 'rate_limited', missed };
  return {
    name: GAP,
    json: JSON.stringify(gap),
    device: undefined,
    errno: undefined,
    namespace: undefined,
    pod: undefined,
  };
}
