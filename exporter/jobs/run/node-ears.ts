import { readlinkSync } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { BoundedMap } from '../../bounded-map.js';
import { GAP, type Gap } from '../../events/event-feed.js';
import { KERNEL_EVENT, PATH } from '../../names.js';
import type { NativeAddon } from '../../native/binding.js';
import { get } from '../../node-http.js';
import { Backoff } from '../../time/backoff.js';
import { withDeadline } from '../../time/deadline.js';
import { EventStreamParser, type ServerSentEvent } from './event-stream.js';
import { GpuOpens } from './gpu-opens.js';
import type { Say } from './messages.js';
import { ownFiles } from './own-files.js';
import { devicesOf } from './own-watch.js';
import type { ProcessTree } from './process-tree.js';
import { vmErrorOf, type Ears, type OnVmError, type VmError } from './vm-error.js';

/** Where the exporter's chart puts the socket in the pod of a job. */
export const USUAL_SOCKET = '/run/xe-exporter/jobs.sock';

/** A stream without a word for so long is dead: the exporter sends a heartbeat every 15 s. */
const SILENCE_MS = 60_000;

/** While very many processes connect, a connect that cannot wait gets EAGAIN (unix(7)): the exporter is there, and takes them in turn. */
const IN_LINE_MS = 10_000;
const IN_LINE_PAUSE_MS = 50;

/** The exporter may wait 3 s for the name of a victim before it tells. */
const LAST_WORDS_MS = 4_000;

/** More processes than a job has on GPUs. */
const MOST_REMEMBERED = 4_096;

/** Name of the first pid namespace of a machine (include/linux/proc_ns.h, PROC_PID_INIT_INO): there the exporter counts pids. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

const WHY_MISSING: readonly (readonly [Gap['reason'], string])[] = [
  ['rate_limited', 'its pod, unit or Slurm job had more events at once than the exporter tells'],
  ['overwritten', 'its pod, unit or Slurm job had more events than the exporter keeps while the connection was down'],
  ['other_start', 'the exporter was started again, and does not know what happened meanwhile'],
];

export interface NodeEarsOptions {
  readonly native: NativeAddon | undefined;
  readonly ownPid: number;
  readonly tree: ProcessTree;
  readonly procRoot: string;
  readonly sysRoot: string;
  readonly devRoot: string;
  readonly socketPath: string;
  readonly onVmError: OnVmError;
  readonly say: Say;
}

/**
 * Hears of the job's VM errors from the exporter of the node, through the socket it has for jobs: it tells each peer what concerns
 * its own pod, unit or Slurm job.
 *
 * @returns why it cannot be done here, in one clause, if it cannot
 */
export async function askNode(options: NodeEarsOptions): Promise<Ears | { readonly cannot: string }> {
  const ears = new NodeEars(options);
  const refused = await ears.connect();
  return refused === undefined ? ears : { cannot: refused };
}

class NodeEars implements Ears {
  readonly caveat: string | undefined;
  readonly #options: NodeEarsOptions;
  readonly #parser = new EventStreamParser((event) => this.#heard(event));
  readonly #backoff = new Backoff({ firstMs: 1_000, maxMs: 30_000 });
  /** Processes of the job that have had a GPU open; undefined where pids of the exporter mean nothing to us. */
  readonly #ownPids: BoundedMap<number, true> | undefined;
  #onError: () => void = () => undefined;
  /** Why errors were missing, each told once. */
  readonly #gapsTold = new Set<Gap['reason']>();

  constructor(options: NodeEarsOptions) {
    this.#options = options;
    const comparable = sharesPidsWithNode() && this.#rememberOwnPids();
    this.#ownPids = comparable ? new BoundedMap(MOST_REMEMBERED) : undefined;
    this.caveat = comparable
      ? undefined
      : 'the exporter of this node counts pids in another namespace: GPU errors of all processes of this pod or container count as errors of the job';
  }

  /** @returns why not; after a success it comes back by itself whenever the connection breaks */
  async connect(): Promise<string | undefined> {
    return new Promise((resolve) => this.#open(resolve));
  }

  async lastWords(): Promise<void> {
    await withDeadline(LAST_WORDS_MS, new Promise<void>((resolve) => (this.#onError = resolve)));
  }

  #open(answered: (refusal: string | undefined) => void, waitUntil = performance.now() + IN_LINE_MS): void {
    const { socketPath } = this.#options;
    const { lastEventId } = this.#parser;
    this.#parser.reset();
    const headers = { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    const request = get({ socketPath, path: PATH.events, headers, timeout: SILENCE_MS });
    let isOpen = false;
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (isOpen) return;
      if (error.code === 'EAGAIN' && performance.now() < waitUntil) {
        setTimeout(() => this.#open(answered, waitUntil), IN_LINE_PAUSE_MS);
        return;
      }
      answered(`${socketPath}: ${error.code ?? error.message}`);
    });
    request.on('response', (response) => {
      if (response.statusCode !== 200) {
        void firstLine(response).then((line) => answered(`${socketPath}: ${response.statusCode} ${line}`));
        return;
      }
      isOpen = true;
      this.#backoff.succeeded();
      answered(undefined);
      this.#read(request, response);
    });
  }

  #read(request: ClientRequest, response: IncomingMessage): void {
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      if (!this.#parser.push(text)) request.destroy();
    });
    response.on('error', () => undefined);
    response.once('close', () => this.#comeBack());
  }

  #comeBack(): void {
    setTimeout(() => this.#open((refusal) => refusal !== undefined && this.#comeBack()), this.#backoff.failed());
  }

  #heard({ name, data }: ServerSentEvent): void {
    if (name === GAP) return this.#missed(data);
    const error = name === KERNEL_EVENT.vmRebindError ? vmErrorOf(data) : undefined;
    if (error === undefined || !this.#isOwn(error)) return;
    // A pid of another namespace would be taken for one of ours.
    this.#options.onVmError(this.#ownPids ? error : { ...error, pid: undefined });
    this.#onError();
  }

  #missed(data: string): void {
    const gap = WHY_MISSING.find(([reason]) => data.includes(`"${reason}"`));
    if (gap === undefined || this.#gapsTold.has(gap[0])) return;
    this.#gapsTold.add(gap[0]);
    this.#options.say(`errors of the job may have been missed: ${gap[1]}`);
  }

  #isOwn({ pid }: VmError): boolean {
    const { tree, ownPid } = this.#options;
    if (this.#ownPids === undefined) return true;
    return pid !== undefined && (this.#ownPids.get(pid) !== undefined || tree.isBelow(pid, ownPid));
  }

  /** @returns false where opens cannot be noticed */
  #rememberOwnPids(): boolean {
    const { native, sysRoot, devRoot } = this.#options;
    if (native === undefined) return false;
    const devices = devicesOf(sysRoot);
    const look = async (): Promise<boolean> => {
      devices.refresh();
      const files = await ownFiles({ ...this.#options, native }, devices.devices);
      const isNew = files.some(({ pid }) => this.#ownPids?.get(pid) === undefined);
      for (const { pid } of files) this.#ownPids?.set(pid, true);
      return isNew;
    };
    return new GpuOpens({ native, devRoot, devices: () => devices.devices, look }).start();
  }
}

function sharesPidsWithNode(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === FIRST_PID_NAMESPACE;
  } catch {
    return false;
  }
}

/** What the exporter says about a refusal, shortened. */
async function firstLine(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  try {
    for await (const chunk of response) if ((text += String(chunk)).length > 1_000) break;
  } catch {
    // What has come so far has to do.
  }
  return text.split('\n', 1)[0]!.slice(0, 300);
}
