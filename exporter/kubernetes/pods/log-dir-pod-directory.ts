import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { BoundedMap } from '../../bounded-map.js';
import type { FeatureBoard } from '../../features.js';
import { Alarm } from '../../time/alarm.js';
import { ChangeNotice } from './change-notice.js';
import {
  isDnsLabel,
  isDnsSubdomain,
  isPodUid,
  type PodDirectory,
  type PodName,
  type PodQuery,
} from './pod-directory.js';

export interface LogDirPodDirectoryOptions {
  /** Holds `pods/` and `containers/`, which the kubelet writes. */
  readonly root?: string;
  /** Where to report; absent for a directory that is only a fallback for another one. */
  readonly features?: FeatureBoard;
  readonly maxNames?: number;
  /** Pauses before the directories are read again for a missing name. */
  readonly retryMs?: readonly number[];
  readonly now?: () => number;
}

/** The kubelet creates the link to a container's log shortly after it has started the container. */
const DEFAULT_RETRY_MS = [250, 1_000, 5_000, 30_000];
const DEFAULT_MAX_NAMES = 4_096;

/** Bounds on names read from one directory, and on pending lookups. */
const MAX_ENTRIES = 20_000;
const MAX_PENDING = 1_024;

interface Pending {
  readonly query: PodQuery;
  attempts: number;
  dueAt: number;
}

/** The contents of the two directories. */
interface Listing {
  /** By uid. */
  readonly pods: ReadonlyMap<string, { readonly namespace: string; readonly pod: string; readonly directory: string }>;
  /** By container id. */
  readonly containers: ReadonlyMap<
    string,
    { readonly namespace: string; readonly pod: string; readonly container: string }
  >;
}

/**
 * Names from the log directories of the kubelet: `pods/<namespace>_<pod>_<uid>/<container>/` and the links
 * `containers/<pod>_<namespace>_<container>-<id>.log`. Needs no API, no network and no privilege; it is read when a pod
 * shows up that is not known, and never on a schedule. A uid and an id always name the same pod and container, so an
 * answer is kept until newer ones replace it.
 */
export class LogDirPodDirectory implements PodDirectory {
  readonly #root: string;
  readonly #features: FeatureBoard | undefined;
  readonly #retryMs: readonly number[];
  readonly #now: () => number;
  readonly #names: BoundedMap<string, PodName>;
  readonly #pending = new BoundedMap<string, Pending>(MAX_PENDING);
  readonly #notice = new ChangeNotice();
  readonly #alarm: Alarm;
  #reading: Promise<void> | undefined;
  #stopped = false;

  constructor({
    root = '/var/log',
    features,
    maxNames = DEFAULT_MAX_NAMES,
    retryMs = DEFAULT_RETRY_MS,
    now = () => performance.now(),
  }: LogDirPodDirectoryOptions = {}) {
    this.#root = root;
    this.#features = features;
    this.#names = new BoundedMap(maxNames);
    this.#retryMs = retryMs;
    this.#now = now;
    this.#alarm = new Alarm(now, () => this.#readDue());
  }

  lookup(query: PodQuery): PodName | undefined {
    const key = `${query.podUid}/${query.containerId}`;
    const known = this.#names.get(key);
    if (known === undefined || isPartial(known, query)) this.#want(key, query);
    return known;
  }

  onChange(listener: () => void): void {
    this.#notice.subscribe(listener);
  }

  /** Checks whether the directory exists. */
  async start(): Promise<void> {
    await entriesOf(this.#pods, 1).then(
      () => this.#features?.report('kubernetes', 'active', `names from ${this.#pods}`),
      (error: NodeJS.ErrnoException) => this.#reportFailure(error),
    );
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#alarm.clear();
    this.#notice.cancel();
    return this.#reading ?? Promise.resolve();
  }

  get #pods(): string {
    return join(this.#root, 'pods');
  }

  #want(key: string, query: PodQuery): void {
    if (this.#pending.has(key) || (query.podUid === '' && query.containerId === '')) return;
    const dueAt = this.#now();
    this.#pending.set(key, { query, attempts: 0, dueAt });
    this.#schedule(dueAt);
  }

  #schedule(dueAt: number): void {
    if (!this.#stopped && this.#reading === undefined) this.#alarm.setFor(dueAt);
  }

  #scheduleAll(): void {
    for (const [, { dueAt }] of this.#pending) this.#schedule(dueAt);
  }

  /** One read serves every lookup that is due. */
  #readDue(): void {
    const now = this.#now();
    const due = [...this.#pending].filter(([, { dueAt }]) => dueAt <= now);
    // A timer can be a fraction of a millisecond early.
    if (due.length === 0) return this.#scheduleAll();
    this.#reading = this.#read(due).finally(() => {
      this.#reading = undefined;
      this.#scheduleAll();
    });
  }

  async #read(due: readonly (readonly [string, Pending])[]): Promise<void> {
    const listing = await this.#list();
    for (const [key, pending] of due) {
      const name = await this.#resolve(pending.query, listing);
      if (name !== undefined) this.#keep(key, name);
      if (name !== undefined && !isPartial(name, pending.query)) this.#pending.delete(key);
      else this.#postpone(key, pending);
    }
  }

  /**
   * Looks again for a name that is late. It may never come: processes outside Kubernetes have none. After the last pause the name can be
   * looked up again.
   */
  #postpone(key: string, pending: Pending): void {
    const pause = this.#retryMs[pending.attempts++];
    if (pause === undefined) this.#pending.delete(key);
    else pending.dueAt = this.#now() + pause;
  }

  #keep(key: string, name: PodName): void {
    const before = this.#names.get(key);
    this.#names.set(key, name);
    if (before?.container !== name.container || before.pod !== name.pod) this.#notice.raise();
  }

  async #list(): Promise<Listing> {
    const none = (): string[] => [];
    const [pods, containers] = await Promise.all([
      entriesOf(this.#pods, MAX_ENTRIES).catch(none),
      entriesOf(join(this.#root, 'containers'), MAX_ENTRIES).catch(none),
    ]);
    return {
      pods: new Map(pods.flatMap(parsePodDirectory)),
      containers: new Map(containers.flatMap(parseContainerLog)),
    };
  }

  async #resolve({ podUid, containerId }: PodQuery, { pods, containers }: Listing): Promise<PodName | undefined> {
    const log = containers.get(containerId);
    if (podUid === '') return log && { ...log, podUid: onlyUid(pods, log) };
    const found = pods.get(podUid);
    if (found === undefined) return undefined;
    const { namespace, pod, directory } = found;
    const same = log?.namespace === namespace && log.pod === pod;
    const container = same ? log.container : containerId === '' ? '' : await this.#onlyContainer(directory);
    return { namespace, pod, container, podUid };
  }

  /** A container's directory is created before the container, so if there is only one directory, it is the right one. */
  async #onlyContainer(directory: string): Promise<string> {
    const [name, second] = await entriesOf(join(this.#pods, directory), 2).catch(() => []);
    return second === undefined && isDnsLabel(name) ? name : '';
  }

  #reportFailure({ code = 'unreadable' }: NodeJS.ErrnoException): void {
    const denied = code === 'EACCES' || code === 'EPERM';
    this.#features?.report(
      'kubernetes',
      denied ? 'denied' : 'unsupported',
      `${this.#pods} cannot be read: ${code}`,
      `Mount the node's ${this.#pods} and ${join(this.#root, 'containers')} at the same paths, or set --kubernetes=api or off.`,
    );
  }
}

/** A lookup for a container of which only the pod is known. */
function isPartial(name: PodName, { containerId }: PodQuery): boolean {
  return containerId !== '' && name.container === '';
}

function parsePodDirectory(directory: string): [string, { namespace: string; pod: string; directory: string }][] {
  const [namespace, pod, uid, ...rest] = directory.split('_');
  const valid = isDnsLabel(namespace) && isDnsSubdomain(pod) && isPodUid(uid) && rest.length === 0;
  return valid ? [[uid, { namespace, pod, directory }]] : [];
}

function parseContainerLog(file: string): [string, { namespace: string; pod: string; container: string }][] {
  const [, rest = '', id = ''] = /^(.+)-([0-9a-f]{64})\.log$/.exec(file) ?? [];
  const [pod, namespace, container, ...more] = rest.split('_');
  const valid = isDnsSubdomain(pod) && isDnsLabel(namespace) && isDnsLabel(container) && more.length === 0;
  return valid ? [[id, { namespace, pod, container }]] : [];
}

/** The uid behind a name, unless several share it: a StatefulSet recreates its pods under the same name. */
function onlyUid(pods: Listing['pods'], { namespace, pod }: { namespace: string; pod: string }): string {
  const uids = [...pods].filter(([, other]) => other.namespace === namespace && other.pod === pod).map(([uid]) => uid);
  return uids.length === 1 ? (uids[0] ?? '') : '';
}

/** Bounded number of names in a directory. */
async function entriesOf(path: string, most: number): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of await opendir(path)) {
    names.push(name);
    if (names.length >= most) break;
  }
  return names;
}
