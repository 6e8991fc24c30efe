import type { Workload, XeClient } from '../clients/client.js';
import type { ClientEntry, ClientTable } from '../clients/client-table.js';
import type { XeDevice } from '../host/device.js';
import type { JobReports } from './job-reports.js';
import { SIMULATED_GPUS } from './simulated-devices.js';
import type { SimulatedMemory } from './simulated-memory.js';

/** -12 as often as in the field; -28, -62 and -16 so that every class is seen. */
const ERROR_CODES = [-12, -12, -12, -12, -28, -12, -62, -12, -16, -12];

/**
 * How a job reacts to an error: it exits at once, or fails again and then exits, or survives and stays, or listens: told that it was
 * a lack of memory, it goes on with less and survives, and without a word it exits.
 */
type Nature = 'leaves' | 'repeats' | 'survives' | 'listens';

/**
 * Errors of a job that repeats; at high rates it stays for a tenth of a second's worth, because arriving takes time,
 * too.
 */
const FEWEST_REPEATS = 3;
const REPEATS_PER_RATE = 0.1;

interface Job {
  readonly workload: Omit<Workload, 'containerId' | 'podUid'>;
  readonly nature: Nature;
  /** GPU memory it holds when it starts. */
  readonly gibibytes: number;
}

const JOBS: readonly Job[] = [
  {
    workload: { namespace: 'team-llm', pod: 'llama-finetune-0', container: 'trainer' },
    nature: 'repeats',
    gibibytes: 5,
  },
  {
    workload: { namespace: 'team-llm', pod: 'llama-finetune-1', container: 'trainer' },
    nature: 'repeats',
    gibibytes: 4.5,
  },
  {
    workload: { namespace: 'team-vision', pod: 'segmentation-batch', container: 'worker' },
    nature: 'leaves',
    gibibytes: 2.5,
  },
  {
    workload: { namespace: 'team-vision', pod: 'video-analytics', container: 'pipeline' },
    nature: 'listens',
    gibibytes: 1.5,
  },
  { workload: { namespace: 'research', pod: 'notebook-mara', container: 'jupyter' }, nature: 'survives', gibibytes: 1 },
  { workload: { namespace: 'research', pod: 'md-simulation', container: 'gromacs' }, nature: 'repeats', gibibytes: 3 },
];

export interface SimulatedNodeOptions {
  readonly clients: ClientTable;
  /** The devices the exporter knows now: no job runs on any other. */
  readonly devices: () => readonly XeDevice[];
  readonly reports: JobReports;
  /** Follows what the jobs hold. */
  readonly memory: SimulatedMemory;
  /** VM rebind errors a second, over all clients. */
  readonly rate: number;
  /** A job that survives its errors is quiet for longer than this after each, so that its survival is seen. */
  readonly outcomeWindowMs: number;
}

/** Timer granularity; faster rates post several records a tick. */
const TICK_MS = 20;
/** How often the client table is reconciled, as discovery would do it: a full ring also loses removal notices. */
const TICKS_PER_LOOK = 50;
/** How long a job that listens waits for a word about its error: the exporter itself may wait 3 s for the name of a victim. */
const WORD_MS = 10_000;
/** How much longer than the outcome window a survivor is quiet. */
const QUIET_MARGIN_MS = 1000;

/**
 * A simulated GPU node for demos and drills: jobs start, hit rebind errors and exit. All of it comes back as the
 * simulated kernel reports it, through the real reader threads. Deterministic: no randomness.
 */
export class SimulatedNode {
  readonly #options: SimulatedNodeOptions;
  #nextClientId = 1;
  #turn = 0;
  #owed = 0;
  #ticks = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #eventsOf = new Map<ClientEntry, number>();
  /** Tick until which a survivor is quiet. */
  readonly #quietUntil = new Map<ClientEntry, number>();
  /** Tick until which one that listens waits for a word. */
  readonly #waitsUntil = new Map<ClientEntry, number>();

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
  }

  /** Starts the jobs and the clock. */
  start(): void {
    for (let job = 0; job < JOBS.length; job++) this.#arrive(job);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The jobs that listen have heard that they ran out of GPU memory. */
  told(): void {
    for (const { client } of this.#waitsUntil.keys()) this.#options.memory.shrink(client);
    this.#waitsUntil.clear();
  }

  #tick(): void {
    if (++this.#ticks % TICKS_PER_LOOK === 0) this.#look();
    for (const [entry, until] of this.#waitsUntil) if (until <= this.#ticks) this.#leave(entry);
    this.#options.memory.grow(TICK_MS);
    this.#owed += (this.#options.rate * TICK_MS) / 1000;
    for (; this.#owed >= 1; this.#owed--) this.#fail(this.#turn++);
  }

  /** One rebind error of the client whose turn it is. */
  #fail(turn: number): void {
    const { reports, memory } = this.#options;
    const entries = [...this.#eventsOf.keys()].filter(
      (entry) => reports.sees(entry) && !this.#isQuiet(entry) && this.#isBound(entry),
    );
    const entry = entries[turn % entries.length];
    if (entry === undefined) return;
    const vmId = (this.#eventsOf.get(entry) ?? 0) + 1;
    const code = ERROR_CODES[turn % ERROR_CODES.length]!;
    const isOutOfMemory = code === -12 || code === -28;
    if (isOutOfMemory) memory.runOut(entry.client);
    if (!reports.vmFailed(entry, vmId, code)) return;
    this.#eventsOf.set(entry, vmId);
    const { nature } = JOBS[jobOf(entry)]!;
    const last = nature === 'leaves' ? 1 : Math.max(FEWEST_REPEATS, this.#options.rate * REPEATS_PER_RATE);
    if (nature === 'listens' && isOutOfMemory && !this.#waitsUntil.has(entry))
      this.#waitsUntil.set(entry, this.#ticks + WORD_MS / TICK_MS);
    if (nature === 'survives' || nature === 'listens') {
      this.#quietUntil.set(entry, this.#ticks + (this.#options.outcomeWindowMs + QUIET_MARGIN_MS) / TICK_MS);
    } else if (vmId >= last) {
      this.#leave(entry);
    }
  }

  #isQuiet(entry: ClientEntry): boolean {
    return (this.#quietUntil.get(entry) ?? 0) > this.#ticks;
  }

  #isBound({ client }: ClientEntry): boolean {
    return this.#options.devices().includes(client.device);
  }

  #look(): void {
    for (const entry of this.#eventsOf.keys()) if (!this.#isBound(entry)) this.#leave(entry);
    const present = [...this.#eventsOf.keys()];
    this.#options.clients.reconcile(new Map(present.map(({ client, holders }) => [client.drmClientId, holders])));
    const running = new Set(present.map(jobOf));
    for (let job = 0; job < JOBS.length; job++) if (!running.has(job)) this.#arrive(job);
  }

  /** A job ends the way the kernel would report it; its successor has the same pod name and a new client. */
  #leave(entry: ClientEntry): void {
    this.#eventsOf.delete(entry);
    this.#waitsUntil.delete(entry);
    this.#options.memory.leave(entry.client);
    this.#options.reports.left(entry);
    this.#arrive(jobOf(entry));
  }

  #arrive(job: number): void {
    const address = SIMULATED_GPUS[job % SIMULATED_GPUS.length]!;
    const device = this.#options.devices().find(({ pciBdf }) => pciBdf === address);
    if (device === undefined) return;
    const id = this.#nextClientId++;
    const client: XeClient = {
      drmClientId: id,
      device,
      process: { pid: 1000 + id, startTime: BigInt(id), executable: 'python3', createdAt: undefined },
      workload: workloadOf(job, id),
      holderCount: 1,
    };
    const fd = { pid: 1000 + id, fd: 3, minor: device.renderMinor!, startTime: BigInt(id), comm: 'python3' };
    const entry = this.#options.clients.add(client, [fd]);
    if (entry === undefined) return;
    this.#eventsOf.set(entry, 0);
    this.#options.reports.started(entry);
    this.#options.memory.arrive(client, JOBS[job]!.gibibytes * 1024 ** 3);
  }
}

/** @param run differs from one run of the job to the next */
function workloadOf(job: number, run: number): Workload {
  const podUid = `00000000-0000-4000-8000-${String(job).padStart(12, '0')}`;
  return {
    ...JOBS[job]!.workload,
    containerId: run.toString(16).padStart(64, '0'),
    podUid,
    owner: `pod:${podUid}`,
  };
}

/** Who real processes are taken for that ask the jobs' socket of the node, other than the demo itself. */
export const ASKING_WORKLOAD = aProcessOf(0);

/** The one that listens by itself. */
export const LISTENING_WORKLOAD = aProcessOf(JOBS.findIndex(({ nature }) => nature === 'listens'));

function aProcessOf(job: number): Workload {
  return { ...workloadOf(job, 0), containerId: '' };
}

function jobOf({ client }: ClientEntry): number {
  return JOBS.findIndex(({ workload }) => workload.pod === client.workload?.pod);
}
