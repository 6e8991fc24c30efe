import { setTimeout as delay } from 'node:timers/promises';
import { withDeadline } from '../../time/deadline.js';
import type { FeatureBoard } from '../../features.js';
import { notAccepted, type ApiAccess } from '../api/access.js';
import { ListItems } from '../api/list-items.js';
import { ApiError, apiGet, isReasonable, lines, parseJson, type ApiRequestOptions } from '../api/request.js';
import { Backoff, type BackoffOptions } from '../../time/backoff.js';
import { ChangeNotice } from './change-notice.js';
import type { PodDirectory, PodName, PodQuery } from './pod-directory.js';
import { PodIndex, type PodIndexOptions } from './pod-index.js';
import { parsePod, type PodRecord } from './pod-record.js';

export interface ApiPodDirectoryOptions extends PodIndexOptions {
  readonly access: ApiAccess;
  readonly nodeName: string;
  readonly features: FeatureBoard;
  /** How long {@link PodDirectory.start} waits for the first list. */
  readonly startDeadlineMs?: number;
  /** The server is asked to end a watch after this long; a little later the watch is given up. */
  readonly watchTimeoutMs?: number;
  /** How much longer than expected a connection may stay silent. */
  readonly idleMs?: number;
  readonly backoff?: BackoffOptions;
}

const DEFAULTS = {
  startDeadlineMs: 2_000,
  watchTimeoutMs: 5 * 60_000,
  idleMs: 30_000,
  backoff: { firstMs: 1_000, maxMs: 60_000 },
} satisfies Partial<ApiPodDirectoryOptions>;

/**
 * Bounds on what a server may send, in characters. A pod is at most 3 MiB (etcd's limit and some for the encoding); a page is the
 * pods of one node, some MiB. A page is never held as a whole, only the pod that is being read.
 */
const LIMIT = { pod: 3 * 1024 ** 2, list: 64 * 1024 ** 2, pages: 20 } as const;

const PAGE_SIZE = 500;
/** More than the index keeps; a node runs some hundred pods. */
const MOST_LISTED = 10_000;
const PODS = '/api/v1/pods';
const GONE = 410;

/** Attempts in a row that fail before a directory that has names is reported as stale. A restart of the API server is not worth reporting. */
const FAILURES_TO_REPORT = 3;

/** A watch that ends as asked lasts longer than this. After a shorter one there is a pause. */
const SHORT_WATCH_MS = 1_000;

const UNREACHABLE = 'Check that pods of this node may reach the API server, or set --kubernetes=node.';
const GRANT_PODS =
  'Grant list and watch on pods (ClusterRole and ClusterRoleBinding) to the service account, or set --kubernetes=node.';

/** What is wrong with a server, from the Status object of an ERROR event, or made up here. */
interface StatusJson {
  readonly code?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown };
}

interface WatchEvent {
  readonly type?: unknown;
  readonly object?: { readonly metadata?: { readonly resourceVersion?: unknown } };
}

/**
 * The pods of this node from the Kubernetes API: one list, then an endless watch. Reconnects where it left off, and lists again when
 * the server no longer remembers that far back. While the server is away, the last known names stay.
 */
export class ApiPodDirectory implements PodDirectory {
  readonly #options: ApiPodDirectoryOptions & typeof DEFAULTS;
  readonly #now: () => number;
  readonly #index: PodIndex;
  readonly #backoff: Backoff;
  readonly #notice = new ChangeNotice();
  readonly #stopping = new AbortController();
  /** Where to go on watching; undefined when a list is due. */
  #version: string | undefined;
  /** The first list may come from the server's cache, which costs it next to nothing; one after 410 must be newer than that. */
  #listFrom = '0';
  /** By {@link PodIndexOptions.now}; undefined before the first list. */
  #listedAt: number | undefined;
  #onListed: () => void = () => undefined;
  #started: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ApiPodDirectoryOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#now = options.now ?? (() => performance.now());
    this.#index = new PodIndex(options);
    this.#backoff = new Backoff(this.#options.backoff);
  }

  lookup(query: PodQuery): PodName | undefined {
    return this.#index.lookup(query);
  }

  onChange(listener: () => void): void {
    this.#notice.subscribe(listener);
  }

  start(): Promise<void> {
    return (this.#started ??= this.#start());
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    this.#notice.cancel();
    return this.#running;
  }

  async #start(): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    const listed = new Promise<void>((resolve) => (this.#onListed = resolve));
    this.#running = this.#run(signal);
    await withDeadline(this.#options.startDeadlineMs, listed, signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pause = await this.#attempt(signal).catch((error: unknown) => this.#failed(error, signal));
      if (pause > 0) await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /** A list if one is due, then a watch until it ends. @returns how long to wait then */
  async #attempt(signal: AbortSignal): Promise<number> {
    if (this.#version === undefined) await this.#list(signal);
    const begin = performance.now();
    await this.#watch(this.#version ?? '', signal);
    if (performance.now() - begin < SHORT_WATCH_MS) return this.#backoff.failed();
    this.#working();
    return 0;
  }

  async #list(signal: AbortSignal): Promise<void> {
    const records: PodRecord[] = [];
    let more = '';
    let version: unknown;
    for (let page = 0; page === 0 || more !== ''; page++) {
      if (page === LIMIT.pages) throw new Error('the list of pods does not end');
      const query = { limit: String(PAGE_SIZE), ...this.#where(more) };
      const list = new ListItems({ item: LIMIT.pod, list: LIMIT.list });
      for await (const piece of await this.#get(query, this.#options.idleMs, signal)) {
        for (const item of list.push(piece)) {
          // A malformed pod must not hide the others.
          const record = isReasonable(item) ? parsePod(parseJson(item), this.#options.nodeName) : undefined;
          if (record !== undefined && records.length < MOST_LISTED) records.push(record);
        }
      }
      const { metadata = {}, items } = (parseJson(list.frame) ?? {}) as ListJson;
      if (!Array.isArray(items)) throw new Error('the list of pods is none');
      more = typeof metadata.continue === 'string' ? metadata.continue : '';
      version = metadata.resourceVersion;
    }
    if (!isVersion(version)) throw new Error('the list of pods has no version');
    this.#version = version;
    this.#listedAt = this.#now();
    if (this.#index.replaceAll(records)) this.#notice.raise();
    this.#onListed();
    this.#report();
  }

  #where(more: string): Record<string, string> {
    if (more !== '') return { continue: more };
    return this.#listFrom === '' ? {} : { resourceVersion: this.#listFrom };
  }

  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { watchTimeoutMs, idleMs } = this.#options;
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(Math.max(1, Math.ceil(watchTimeoutMs / 1000))),
    };
    for await (const line of lines(await this.#get(query, watchTimeoutMs + idleMs, signal), LIMIT.pod + 1024)) {
      if (line.trim() === '' || !isReasonable(line)) continue;
      this.#event(parseJson(line) as WatchEvent | null);
      this.#working();
    }
  }

  #event(event: WatchEvent | null): void {
    if (event?.type === 'ERROR') throw statusError(event.object as StatusJson);
    const version = event?.object?.metadata?.resourceVersion;
    if (!isVersion(version)) throw new Error('a watch event without a version');
    const record = event?.type === 'BOOKMARK' ? undefined : parsePod(event?.object, this.#options.nodeName);
    if (record !== undefined) {
      // Deleted pods as well: their last state may be the first that names the container.
      if (this.#index.put(record)) {
        this.#notice.raise();
        this.#report();
      }
      if (event?.type === 'DELETED') this.#index.remove(record.uid);
    }
    this.#version = version;
  }

  async #get(query: Record<string, string>, idleMs: number, signal: AbortSignal): Promise<AsyncIterable<string>> {
    const { access, nodeName } = this.#options;
    const options: ApiRequestOptions = { signal, idleMs, userAgent: 'xe-exporter' };
    return apiGet(await access.target(), PODS, { fieldSelector: `spec.nodeName=${nodeName}`, ...query }, options);
  }

  /** @returns how long to wait before the next attempt */
  #failed(error: unknown, signal: AbortSignal): number {
    if (signal.aborted) return 0;
    const status = error instanceof ApiError ? error.status : undefined;
    // Either the version is too old for the server, or a broken text may have hidden an event.
    if (status === GONE || error instanceof SyntaxError) {
      this.#version = undefined;
      this.#listFrom = '';
    }
    // A server that restarted and lost its history is back, so there is no need to wait, unless it forgets what it has just listed.
    const sinceListed = this.#now() - (this.#listedAt ?? -Infinity);
    if (status === GONE && sinceListed > this.#options.backoff.maxMs) this.#backoff.succeeded();
    const pause = this.#backoff.failed();
    this.#reportFailure(error, status);
    return Math.max(pause, error instanceof ApiError ? error.retryAfterMs : 0);
  }

  #working(): void {
    const failed = this.#backoff.failures > 0;
    this.#backoff.succeeded();
    if (failed) this.#report();
  }

  #report(): void {
    const { features, nodeName } = this.#options;
    if (this.#index.size === 0) {
      const fix = 'Give the name of this node, as "kubectl get nodes" shows it, to --node-name or NODE_NAME.';
      features.report('kubernetes', 'active', `the API knows no pod of node ${nodeName}`, fix);
    } else if (this.#index.refused > 0) {
      features.report('kubernetes', 'active', 'more pods than are remembered: some stay without a name');
    } else {
      features.report('kubernetes', 'active');
    }
  }

  #reportFailure(error: unknown, status: number | undefined): void {
    const { features, access } = this.#options;
    if (status === 401) {
      const { state, reason, fix } = notAccepted(access);
      features.report('kubernetes', state, reason, fix);
    } else if (status === 403) {
      features.report('kubernetes', 'denied', `${access.origin} may not list and watch pods (403)`, GRANT_PODS);
    } else if (this.#listedAt === undefined) {
      features.report('kubernetes', 'unsupported', `no answer to use from the API server: ${why(error)}`, UNREACHABLE);
    } else if (this.#backoff.failures >= FAILURES_TO_REPORT) {
      features.report('kubernetes', 'active', 'the API server does not answer: names are the last known', UNREACHABLE);
    }
  }
}

interface ListJson {
  readonly metadata?: { readonly continue?: unknown; readonly resourceVersion?: unknown };
  readonly items?: unknown;
}

function statusError({ code, details }: StatusJson = {}): ApiError {
  const seconds = details?.retryAfterSeconds;
  return new ApiError(typeof code === 'number' ? code : 500, typeof seconds === 'number' ? seconds * 1000 : undefined);
}

/** Opaque to clients, so only its type is checked. */
function isVersion(version: unknown): version is string {
  return typeof version === 'string' && version !== '' && version.length <= 1024;
}

function why(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
