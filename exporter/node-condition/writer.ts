import { randomBytes } from 'node:crypto';
import type { FeatureBoard } from '../features.js';
import type { ApiAccess } from '../kubernetes/api/access.js';
import { ApiError } from '../kubernetes/api/request.js';
import { NODE_EVENTS_NAMESPACE } from '../kubernetes/api/rights.js';
import { ApiEvents, apiTime, type ApiEvent } from '../kubernetes/events/api-events.js';
import { NodeStatus, type KnownCondition } from '../kubernetes/node/node-status.js';
import type { Logger } from '../logger.js';
import { KUBERNETES_COMPONENT, NODE_CONDITION } from '../names.js';
import { Alarm } from '../time/alarm.js';
import { Backoff, type BackoffOptions } from '../time/backoff.js';
import { TokenBucket, type TokenBucketOptions } from '../time/token-bucket.js';
import type { Fitness } from './fitness.js';
import { ConditionReport } from './report.js';

export interface ConditionLimits {
  readonly requestMs: number;
  /** Written that often while nothing changes, so that a reader sees that somebody looks. */
  readonly heartbeatMs: number;
  /** Of changes. What changes meanwhile is not queued: the last word counts. */
  readonly pace: TokenBucketOptions;
  readonly backoff: BackoffOptions;
  /** Attempts at one Event. */
  readonly eventAttempts: number;
}

/** The heartbeat is that of node-problem-detector. */
const DEFAULTS: ConditionLimits = {
  requestMs: 10_000,
  heartbeatMs: 5 * 60_000,
  pace: { burst: 5, intervalMs: 30_000 },
  backoff: { firstMs: 1_000, maxMs: 60_000 },
  eventAttempts: 5,
};

/** The API server's bounds; the suffix of a name is a dot and 16 hexadecimal digits. */
const MAX_NODE_PART = 253 - 17;
const MAX_INSTANCE_LENGTH = 128;

export interface ConditionWriterOptions {
  readonly access: ApiAccess;
  readonly nodeName: string;
  /** The pod of the exporter, or the node. */
  readonly instance: string;
  readonly features: FeatureBoard;
  readonly logger: Logger;
  /** How the GPUs are now. */
  readonly judge: () => Fitness;
  /** Where the counts go; called on the JavaScript thread, must not throw. */
  readonly accounting: {
    written(ok: boolean): void;
    eventWritten(ok: boolean): void;
  };
  readonly limits?: Partial<ConditionLimits>;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** An Event that waits for its turn. */
interface Waiting {
  readonly event: ApiEvent;
  attempts: number;
}

/**
 * Keeps one condition of the node as the GPUs are: on every change, and as a heartbeat. There is no queue: what is written is how things are at that
 * moment. An Event on the node follows a change to or from `False`. One request at a time. Cordons nothing and evicts nothing.
 */
export class ConditionWriter {
  readonly #options: ConditionWriterOptions;
  readonly #limits: ConditionLimits;
  readonly #now: () => number;
  readonly #status: NodeStatus;
  readonly #events: ApiEvents;
  readonly #report: ConditionReport;
  readonly #pace: TokenBucket;
  readonly #backoff: Backoff;
  readonly #alarm: Alarm;
  readonly #stopping = new AbortController();
  /** What the API server has; undefined before it was read or written. */
  #known: KnownCondition | undefined;
  #wroteAt = -Infinity;
  #waiting: Waiting | undefined;
  /** After a failure. */
  #resumeAt = -Infinity;
  #running: Promise<void> | undefined;
  #started = false;

  constructor(options: ConditionWriterOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULTS, ...options.limits };
    this.#now = options.now ?? (() => performance.now());
    this.#status = new NodeStatus({ ...options, requestMs: this.#limits.requestMs });
    this.#events = new ApiEvents({ ...options, requestMs: this.#limits.requestMs });
    this.#report = new ConditionReport(options);
    this.#pace = new TokenBucket(this.#limits.pace);
    this.#backoff = new Backoff(this.#limits.backoff);
    this.#alarm = new Alarm(this.#now, () => this.#run());
  }

  /** The health of the GPUs is known from now on. */
  start(): void {
    this.#started = true;
    this.changed();
  }

  /** Something may have changed. Looks later, so that all changes of one turn are one. */
  changed(): void {
    if (this.#started && !this.#stopping.signal.aborted) this.#alarm.setFor(this.#now());
  }

  /** Writes nothing more: the next exporter looks anew, and until then the heartbeat shows that nobody does. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#alarm.clear();
    await this.#running;
  }

  #run(): void {
    this.#running ??= this.#writeDue().finally(() => (this.#running = undefined));
  }

  async #writeDue(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const now = this.#now();
      const fitness = this.#options.judge();
      const at = this.#dueAt(fitness, now);
      if (at > now) return this.#alarm.setFor(at);
      try {
        if (this.#isSaid(fitness) && this.#waiting) await this.#tell(this.#waiting);
        else await this.#write(fitness, now);
        this.#backoff.succeeded();
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  /** When there is something to send. */
  #dueAt(fitness: Fitness, now: number): number {
    if (!this.#isSaid(fitness)) return Math.max(this.#resumeAt, this.#pace.nextAt, now);
    const heartbeatAt = this.#wroteAt + this.#limits.heartbeatMs;
    return Math.max(this.#resumeAt, this.#waiting ? now : heartbeatAt);
  }

  #isSaid({ status, reason, message }: Fitness): boolean {
    const known = this.#wroteAt === -Infinity ? undefined : this.#known;
    return known?.status === status && known.reason === reason && known.message === message;
  }

  async #write(fitness: Fitness, now: number): Promise<void> {
    const { signal } = this.#stopping;
    if (!this.#isSaid(fitness)) this.#pace.take(now);
    try {
      this.#known ??= (await this.#status.read(NODE_CONDITION, signal)) ?? {};
      const before = this.#known;
      const time = apiTime(Date.now());
      const { lastTransitionTime = time } = before.status === fitness.status ? before : {};
      const condition = { type: NODE_CONDITION, ...fitness, lastHeartbeatTime: time, lastTransitionTime };
      await this.#status.write(condition, signal);
      this.#known = condition;
      this.#wroteAt = this.#now();
      if (isNews(before, fitness)) this.#waiting = { event: this.#eventOf(fitness, time), attempts: 0 };
      this.#options.accounting.written(true);
      this.#report.worked();
    } catch (error) {
      if (!signal.aborted) this.#options.accounting.written(false);
      throw error;
    }
  }

  async #tell(waiting: Waiting): Promise<void> {
    const { accounting } = this.#options;
    waiting.attempts++;
    try {
      await this.#events.create(waiting.event, this.#stopping.signal);
      this.#waiting = undefined;
      accounting.eventWritten(true);
      this.#report.eventWorked();
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      accounting.eventWritten(false);
      // Of a random name: made by an attempt whose answer was lost.
      const isThere = error instanceof ApiError && error.status === 409;
      const isFinal = isThere || isRefusal(error) || waiting.attempts >= this.#limits.eventAttempts;
      if (!isFinal) throw error;
      this.#waiting = undefined;
      if (!isThere) this.#report.eventGivenUp(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { retryAfterMs = 0 } = error instanceof ApiError ? error : {};
    const pause = Math.max(this.#backoff.failed(), retryAfterMs);
    // Who is refused asks no more often than somebody who has nothing to say.
    this.#resumeAt = this.#now() + (isRefusal(error) ? this.#limits.heartbeatMs : pause);
    this.#report.failed(error, this.#backoff.failures);
  }

  #eventOf({ status, reason, message }: Fitness, time: string): ApiEvent {
    const { nodeName, instance } = this.#options;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: `${nodeName.slice(0, MAX_NODE_PART)}.${randomBytes(8).toString('hex')}`,
        namespace: NODE_EVENTS_NAMESPACE,
        annotations: {},
      },
      involvedObject: { kind: 'Node', apiVersion: 'v1', name: nodeName, uid: nodeName },
      type: status === 'False' ? 'Warning' : 'Normal',
      reason,
      message,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: KUBERNETES_COMPONENT, host: nodeName },
      reportingComponent: KUBERNETES_COMPONENT,
      reportingInstance: instance.slice(0, MAX_INSTANCE_LENGTH),
    };
  }
}

/** That a GPU is unfit is news, and so is another one, or the end of it. */
function isNews(before: KnownCondition, { status, message }: Fitness): boolean {
  if (status === 'False') return before.status !== 'False' || before.message !== message;
  return status === 'True' && before.status === 'False';
}

/** Whether the server will not take it, however often it is asked. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && error.isFinal;
}
