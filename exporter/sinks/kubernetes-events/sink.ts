import { Alarm } from '../../time/alarm.js';
import { Backoff, type BackoffOptions } from '../../time/backoff.js';
import type { Workload } from '../../clients/client.js';
import type { ClientTableListener } from '../../clients/client-table.js';
import { withDeadline } from '../../time/deadline.js';
import { vmRebindOutcome } from '../../events/definitions/vm-rebind-outcome.js';
import type { DeviceEvent } from '../../events/device-event.js';
import type { ApiAccess } from '../../kubernetes/api/access.js';
import { ApiError } from '../../kubernetes/api/request.js';
import { EVENT_RIGHTS, reviewRights } from '../../kubernetes/api/rights.js';
import { ApiEvents } from '../../kubernetes/events/api-events.js';
import type { FeatureBoard } from '../../features.js';
import type { Logger } from '../../logger.js';
import type { DropReason, KubernetesEventResult } from '../../names.js';
import { OpenDevices } from '../open-devices.js';
import { EventsHealth } from './health.js';
import { hitBy } from './hits.js';
import { TokenBucket, type TokenBucketOptions } from '../../time/token-bucket.js';
import { SeriesTable } from './event-series-table.js';
import type { Reporter, Series } from './event-series.js';
import type { Sink } from '../../pipeline/sink.js';

/** Where the counts of the sink go; called on the JavaScript thread, must not throw. */
export interface KubernetesEventsAccounting {
  /** One request to the API server. */
  requested(result: KubernetesEventResult): void;
  /** Errors that were taken and are not told by any Event. */
  dropped(reason: DropReason, errors: number): void;
}

export interface KubernetesEventsLimits {
  readonly maxSeries: number;
  /** So long after the last error the next one begins a new Event, and what is not written by then is given up. */
  readonly quietMs: number;
  readonly podPace: TokenBucketOptions;
  readonly totalPace: TokenBucketOptions;
  readonly requestMs: number;
  readonly backoff: BackoffOptions;
}

export interface KubernetesEventsOptions extends Reporter {
  readonly access: ApiAccess;
  readonly features: FeatureBoard;
  readonly logger: Logger;
  readonly accounting: KubernetesEventsAccounting;
  readonly limits?: Partial<KubernetesEventsLimits>;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/**
 * A kubelet may write 50 Events a second and is heard of 25 times of one pod, then once in five minutes (client-go 0.36). This is less
 * in total, sooner up to date, and no error is missing in the count.
 */
const DEFAULTS: KubernetesEventsLimits = {
  maxSeries: 512,
  quietMs: 10 * 60_000,
  podPace: { burst: 5, intervalMs: 30_000 },
  totalPace: { burst: 50, intervalMs: 1_000 },
  requestMs: 10_000,
  backoff: { firstMs: 1_000, maxMs: 60_000 },
};

/**
 * Tells the owner of a pod by a Warning in its Events what hit it: memory that ran out, a hang, a page fault, a GPU that is wedged or gone.
 * Errors of one kind of one container on one GPU are one Event with a count; a storm costs requests at a bounded rate and loses none of the
 * count. Of errors that were taken, each is told by an Event or counted as dropped. One request at a time.
 */
export class KubernetesEventsSink implements Sink<DeviceEvent> {
  readonly name = 'kubernetes_events';
  readonly #options: KubernetesEventsOptions;
  readonly #limits: KubernetesEventsLimits;
  readonly #now: () => number;
  readonly #api: ApiEvents;
  readonly #health: EventsHealth;
  readonly #total: TokenBucket;
  readonly #table: SeriesTable;
  readonly #devices = new OpenDevices();
  /** Series with something to write, the longest waiting first. */
  readonly #pending = new Set<Series>();
  readonly #backoff: Backoff;
  readonly #alarm: Alarm;
  readonly #stopping = new AbortController();
  #writing: Series | undefined;
  #running: Promise<void> | undefined;
  /** After a failure. */
  #resumeAt = -Infinity;
  #closing: Promise<void> | undefined;
  /** Nothing is written any more. */
  #ended = false;

  constructor(options: KubernetesEventsOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULTS, ...options.limits };
    this.#now = options.now ?? (() => performance.now());
    const { maxSeries, podPace, totalPace, requestMs, backoff } = this.#limits;
    this.#api = new ApiEvents({ access: options.access, requestMs });
    this.#health = new EventsHealth({ ...options, now: this.#now });
    this.#total = new TokenBucket(totalPace);
    const isIdle = (series: Series): boolean => !this.#pending.has(series) && series !== this.#writing;
    this.#table = new SeriesTable({ maxSeries, podPace, isIdle });
    this.#backoff = new Backoff(backoff);
    this.#alarm = new Alarm(this.#now, () => this.#run());
    const review = { signal: this.#stopping.signal, deadlineMs: requestMs };
    void reviewRights(options.access, EVENT_RIGHTS, review).then((rights) => {
      if (this.#closing === undefined) this.#health.reviewed(rights);
    });
  }

  accept(event: DeviceEvent): DropReason | undefined {
    if (event.definition === vmRebindOutcome) return this.#conclude(event);
    const [first, ...others] = hitBy(event, this.#devices).filter(({ pod }) => pod !== '');
    if (first === undefined) return undefined;
    for (const workload of others) {
      const refused = this.#add(event, workload);
      if (refused !== undefined) this.#options.accounting.dropped(refused, 1);
    }
    return this.#add(event, first);
  }

  /** Follows who has which device open. */
  get clientListener(): ClientTableListener {
    return this.#devices.clientListener;
  }

  /** Writes what is pending without minding the pace, each once; what is not written after `deadlineMs` counts as dropped. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#drain(deadlineMs);
    return this.#closing;
  }

  #add(event: DeviceEvent, workload: Workload): DropReason | undefined {
    if (this.#closing) return 'closed';
    const now = this.#now();
    const known = this.#table.find(event, workload);
    if (known && now - known.touchedAt >= this.#limits.quietMs) this.#giveUpOld(now);
    const series = this.#table.findOrMake(event, workload);
    if (series === undefined) return 'queue_full';
    series.add(event, now);
    this.#toWrite(series, now);
    return undefined;
  }

  #conclude(event: DeviceEvent): undefined {
    const workload = (event.client ?? event.inferred?.client)?.workload;
    const series = workload && this.#table.find(event, workload);
    if (!this.#closing && series?.conclude(event)) this.#toWrite(series, this.#now());
  }

  /** Later, so that what comes in one turn is one request. */
  #toWrite(series: Series, now: number): void {
    this.#pending.add(series);
    this.#alarm.setFor(now);
  }

  #run(): void {
    this.#running ??= this.#writeDue().finally(() => (this.#running = undefined));
  }

  async #writeDue(): Promise<void> {
    while (!this.#ended) {
      const now = this.#now();
      this.#giveUpOld(now);
      const [series, at] = this.#next(now);
      if (series === undefined) {
        if (at < Infinity) this.#alarm.setFor(at);
        return;
      }
      await this.#write(series, now);
    }
  }

  /** The next one that may be written, or when that will be. */
  #next(now: number): [Series | undefined, number] {
    let soonest = Infinity;
    for (const series of this.#pending) {
      const at = this.#closing ? now : Math.max(this.#resumeAt, this.#total.nextAt, series.pace.nextAt);
      if (at <= now) return [series, at];
      soonest = Math.min(soonest, at);
    }
    return [undefined, soonest];
  }

  /** Never rejects. */
  async #write(series: Series, now: number): Promise<void> {
    this.#pending.delete(series);
    this.#total.take(now);
    series.pace.take(now);
    const verb = series.exists ? 'update' : 'create';
    const { count } = series;
    this.#writing = series;
    try {
      await this.#api[verb](series.toEvent(this.#options), this.#stopping.signal);
      if (this.#ended) return;
      series.tell(count);
      this.#backoff.succeeded();
      this.#options.accounting.requested(verb === 'create' ? 'created' : 'updated');
      this.#health.worked(series.workload.namespace);
    } catch (error) {
      if (!this.#ended) this.#failed(series, verb, error);
    } finally {
      this.#writing = undefined;
    }
  }

  #failed(series: Series, verb: 'create' | 'update', error: unknown): void {
    this.#options.accounting.requested('failed');
    const { status, retryAfterMs = 0 } = error instanceof ApiError ? error : { status: 0 };
    const isGone = status === 404 && verb === 'update';
    // Of a random name: made by an attempt whose answer was lost.
    const isThere = status === 409 && verb === 'create';
    if (error instanceof ApiError && error.isFinal && !isGone) {
      this.#health.refused(series.workload, error);
      return this.#drop(series, 'refused');
    }
    this.#pending.add(series);
    if (isGone || isThere) {
      series.exists = isThere;
      return;
    }
    // Who is about to end does not wait for better times.
    this.#ended = this.#closing !== undefined;
    this.#resumeAt = this.#now() + Math.max(this.#backoff.failed(), retryAfterMs);
    this.#health.failed(error, this.#backoff.failures);
  }

  /** Forgets the series without an error for so long; what of it was not written never will be. */
  #giveUpOld(now: number): void {
    const isOld = (series: Series): boolean =>
      series !== this.#writing && now - series.touchedAt >= this.#limits.quietMs;
    for (const series of this.#table.forget(isOld)) {
      this.#pending.delete(series);
      this.#drop(series, 'unreachable');
    }
  }

  #drop(series: Series, reason: DropReason): void {
    if (series.untold > 0) this.#options.accounting.dropped(reason, series.untold);
    series.discard();
    this.#pending.delete(series);
  }

  async #drain(deadlineMs: number): Promise<void> {
    this.#alarm.clear();
    await withDeadline(
      deadlineMs,
      Promise.resolve(this.#running).then(() => this.#writeDue()),
    );
    this.#ended = true;
    this.#stopping.abort();
    this.#alarm.clear();
    for (const series of this.#table.forget(() => true)) this.#drop(series, 'closed');
  }
}
