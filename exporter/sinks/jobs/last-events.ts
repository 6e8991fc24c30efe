import { BoundedMap } from '../../bounded-map.js';
import type { Workload } from '../../clients/client.js';
import { principalOf } from '../../host/cgroup-owner.js';
import { END_REASONS, type EndReason } from './end-reason.js';

/** The last event that can have ended a run of a workload. */
export interface LastEvent {
  readonly owner: string;
  /** Namespace and name of the pod, where they are known: a pod that is made anew under its name is the same workload. */
  readonly pod: string;
  readonly reason: EndReason;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** The record, as on /events: one JSON object. */
  readonly json: string;
}

export const RETENTION_MS = 24 * 3_600_000;
/** Workloads, and bytes of one record. */
const MOST = { workloads: 1024, recordBytes: 16 * 1024 } as const;
const SCHEMA = 1;

/**
 * What ended each workload last, for a day and for a bounded number of them. The principal with the most workloads makes room: of those, the
 * one without an event for the longest goes first.
 */
export class LastEvents {
  readonly #byOwner = new BoundedMap<string, LastEvent>(MOST.workloads);
  /** The owner that had an event last under a name. */
  readonly #byPod = new BoundedMap<string, string>(MOST.workloads);
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  add(event: LastEvent): void {
    if (Buffer.byteLength(event.json) > MOST.recordBytes) return;
    if (this.#byOwner.size === MOST.workloads && !this.#byOwner.has(event.owner)) this.#makeRoom();
    this.#byOwner.set(event.owner, event);
    if (event.pod !== '') this.#byPod.set(event.pod, event.owner);
  }

  /** @param workload as it is named now */
  find(owner: string, workload: Workload | undefined): LastEvent | undefined {
    const own = this.#byOwner.get(owner) ?? this.#byOwner.get(this.#byPod.get(podOf(workload)) ?? '');
    return own && this.#isKept(own) ? own : undefined;
  }

  /** For {@link restore} after a restart. */
  serialise(): string {
    const events = [...this.#byOwner].map(([, event]) => event).filter((event) => this.#isKept(event));
    return `${JSON.stringify({ schema: SCHEMA, events })}\n`;
  }

  /** Takes back what an earlier start of the exporter wrote. @returns false for a text that it did not write; nothing is taken then */
  restore(text: string): boolean {
    const events = parse(text);
    for (const event of events ?? []) if (this.#isKept(event)) this.add(event);
    return events !== undefined;
  }

  #makeRoom(): void {
    const counts = new Map<string, number>();
    for (const [owner] of this.#byOwner) {
      const principal = principalOf(owner);
      counts.set(principal, (counts.get(principal) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    for (const [owner] of this.#byOwner) {
      if (counts.get(principalOf(owner)) === most) return void this.#byOwner.delete(owner);
    }
  }

  #isKept({ timeMs }: LastEvent): boolean {
    return this.#now() - timeMs < RETENTION_MS;
  }
}

/** '' where it has no name. */
export function podOf(workload: Workload | undefined): string {
  return workload?.pod ? `${workload.namespace}/${workload.pod}` : '';
}

function parse(text: string): readonly LastEvent[] | undefined {
  try {
    const { schema, events } = JSON.parse(text) as { schema?: unknown; events?: unknown };
    return schema === SCHEMA && Array.isArray(events) && events.every(isLastEvent) ? events : undefined;
  } catch {
    return undefined;
  }
}

function isLastEvent(value: unknown): value is LastEvent {
  const { owner, pod, reason, timeMs, json } = (value ?? {}) as Record<string, unknown>;
  const isRecord = typeof json === 'string' && isObject(json);
  return (
    typeof owner === 'string' && typeof pod === 'string' && typeof timeMs === 'number' && isRecord && isReason(reason)
  );
}

function isReason(value: unknown): value is EndReason {
  return (END_REASONS as readonly unknown[]).includes(value);
}

/** It is written into answers as it is. */
function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
