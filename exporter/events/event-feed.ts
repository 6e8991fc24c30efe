/** One log event, with what readers choose by. */
export interface FeedEvent {
  /** 1 for the first of this start of the exporter; without holes. */
  readonly number: number;
  /** OpenTelemetry event name. */
  readonly name: string;
  /** The record as `--events-stdout` writes it: one JSON object without a line break. Made once, whoever reads it. */
  readonly json: string;
  /** PCI address; undefined for an event of no device. */
  readonly device: string | undefined;
  /** Positive; undefined for an event without one. */
  readonly errno: number | undefined;
  readonly namespace: string | undefined;
  readonly pod: string | undefined;
}

/** Name of the notice that events are missing; it passes every filter, as any event may be among them. */
export const GAP = 'gap';

/** What the notice says. */
export interface Gap {
  /**
   * They left the ring before the reader came, the reader was one of an earlier start of the exporter, or there were too many of its
   * workload at once.
   */
  readonly reason: 'overwritten' | 'other_start' | 'rate_limited';
  /** Before any filter; null if unknown. */
  readonly missed: number | null;
}

/** Told of changes, synchronously, on the event path: what takes time has to wait. Must not throw. */
export interface FeedFollower {
  published(): void;
  /** Nothing will be published any more; also told to one that comes later. */
  closed(): void;
}

/** The last log events, as the stream sink keeps them and the HTTP side reads them. */
export interface EventFeed {
  /** Differs from one start of the exporter to the next: a number means nothing without it. */
  readonly instance: string;
  /** Number of the oldest event kept; `newest + 1` while there is none. */
  readonly oldest: number;
  /** Number of the newest event; 0 before the first. */
  readonly newest: number;
  /** @returns undefined for an event that is not kept any more, or has not happened yet. */
  at(number: number): FeedEvent | undefined;
  follow(follower: FeedFollower): void;
}
