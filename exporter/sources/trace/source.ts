import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoName } from '../../wire/errno.js';
import type { XeDevice } from '../../host/device.js';
import { parseTraceLine, type TraceLine } from '../../wire/trace-line.js';
import { MessageRun, now, type ReadTime } from '../message-run.js';
import type { BatchHandler, SourceContext } from '../source.js';
import { supervised, type Opened, type OpenSource, type SourceRun } from '../supervised-source.js';
import { switchedOff } from '../switched-off.js';
import { isFailure, takeInstance, TraceInstance, type Naming } from './instance.js';
import { ownershipsOf } from './ownership.js';
import { tracefsError, traceRefusal } from './refusal.js';
import { Tracefs } from './tracefs.js';
import { VmKills, type VmKill } from './vm-kills.js';

/** How often to look whether the driver was loaded again. */
const CHECK_MS = 2_000;
const NOTHING_MOVED = { evictions: 0, evictedBytes: 0, restoredBytes: 0 } as const;
/** The two lines of one kill are written within microseconds. */
const SECOND_LINE_MS = 50;

/** The trace of the xe driver: which process a VM belonged to that the driver gave up. */
export const trace = supervised(
  { name: 'trace', feature: 'trace', wanted: ({ mode }) => mode !== 'watch_queue' },
  openTrace,
);

export function openTrace(context: SourceContext): OpenSource {
  const { config } = context;
  if (config.trace === 'off') return () => Promise.resolve(switchedOff('--trace=off'));
  return (handler, onDied) => Promise.resolve(open(context, handler, onDied));
}

function open(context: SourceContext, handler: BatchHandler, onDied: (reason: string) => void): Opened {
  const { config, native, accounting } = context;
  const refused = traceRefusal(config);
  if (refused !== undefined) return { refused };
  const tracefs = new Tracefs(config.tracefsRoot);
  const reading = new Reading(context, handler);
  try {
    const { name, opened } = takeInstance(tracefs, (path) =>
      MessageRun.open({
        source: 'trace',
        native,
        origin: { protocol: 'trace', path },
        keep: [],
        queueBytes: config.readerQueueBytes,
        onMessage: (bytes, time) => reading.take(bytes, time),
        handler: reading.handle,
        accounting,
        onDied: (reason) => run.died(reason),
      }),
    );
    if (isFailure(opened)) return { refused: tracefsError(errnoName(opened.errno), tracefs.path(name, 'trace_pipe')) };
    const instance = new TraceInstance(tracefs, name, config.traceEvictions && config.memoryInterval > 0);
    const run = new TraceRun(context, instance, opened, reading, onDied);
    try {
      instance.setUp();
    } catch (error) {
      void run.stop();
      throw error;
    }
    run.start();
    return { run, note: noteOn(instance) };
  } catch (error) {
    const { code = String(error), path = config.tracefsRoot } = error as NodeJS.ErrnoException;
    return { refused: tracefsError(code, path) };
  }
}

/** From lines to batches. */
class Reading {
  readonly #context: SourceContext;
  readonly #handler: BatchHandler;
  readonly #kills: VmKills;
  readonly #startedNs = process.hrtime.bigint();
  #timer: NodeJS.Timeout | undefined;
  #read = now();

  constructor(context: SourceContext, handler: BatchHandler) {
    this.#context = context;
    this.#handler = handler;
    this.#kills = new VmKills(this.#startedNs, {
      onKill: (kill) => this.#deliver(kill),
      onCreated: (pid) => context.onGpuProcess?.(pid),
      processOf: (tid) => processOf(context.config.procRoot, tid),
      later: (run) => (this.#timer ??= setTimeout(() => this.#flush(run), SECOND_LINE_MS)),
    });
  }

  /** Takes what is no line. */
  readonly handle: BatchHandler = (batch) => {
    if (batch.kind === 'loss') this.#kills.lost(batch.monotonicNs);
    this.#handler(batch);
  };

  take(bytes: Buffer, time: ReadTime): void {
    const line = parseTraceLine(bytes.toString('latin1'));
    if (line === undefined)
      return this.#handler({ kind: 'trace', source: 'trace', ...time, kill: undefined, device: undefined });
    this.#read = time;
    this.#kills.take(line);
    this.#tell(line, time);
  }

  end(): void {
    this.#flush(() => this.#kills.flush());
  }

  #flush(run: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#read = now();
    run();
  }

  /** What an exporter before this one left unread is good for knowing whose a VM is, and has been counted or lost. */
  #deliver(kill: VmKill): void {
    if (kill.nanoseconds < this.#startedNs) return;
    this.#handler({ kind: 'trace', source: 'trace', ...timeOf(kill, this.#read), kill, device: this.#deviceOf(kill) });
  }

  /** After a gap nobody can say what is still true of what was told before: the loss says so. */
  #tell(line: TraceLine, time: ReadTime): void {
    for (const ownership of ownershipsOf(line, (tid) => processOf(this.#context.config.procRoot, tid))) {
      this.#handler({ kind: 'ownership', source: 'trace', ...time, ownership, device: this.#deviceOf(ownership) });
    }
  }

  #deviceOf({ pciBdf }: { readonly pciBdf: string | undefined }): XeDevice | undefined {
    const { devices } = this.#context;
    if (pciBdf !== undefined) return devices.named(pciBdf);
    // Before Linux 6.12 the trace does not name the device.
    return devices.devices.length === 1 ? devices.devices[0] : undefined;
  }
}

/** The trace has the time of the event itself. */
function timeOf({ nanoseconds }: VmKill, read: ReadTime): ReadTime {
  const age = read.monotonicNs - nanoseconds;
  if (age < 0n) return read;
  return { realtimeNs: read.realtimeNs - age, monotonicNs: nanoseconds };
}

/** One instance from its setting up to its end. */
class TraceRun implements SourceRun {
  readonly #context: SourceContext;
  readonly #instance: TraceInstance;
  readonly #messages: MessageRun;
  readonly #reading: Reading;
  readonly #onDied: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #movesTimer: NodeJS.Timeout | undefined;
  #ended: Promise<void> | undefined;

  constructor(
    context: SourceContext,
    instance: TraceInstance,
    messages: MessageRun,
    reading: Reading,
    onDied: (reason: string) => void,
  ) {
    this.#context = context;
    this.#instance = instance;
    this.#messages = messages;
    this.#reading = reading;
    this.#onDied = onDied;
  }

  start(): void {
    const { traceEvictions, memoryInterval } = this.#context.config;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    if (traceEvictions && memoryInterval > 0) this.#movesTimer = setInterval(() => this.#countMoves(), memoryInterval);
    this.#countMoves();
  }

  deviceAdded(): void {
    this.#check();
    this.#countMoves();
  }

  /** Series exist for each device from the first look on. */
  #countMoves(): void {
    const moves = this.#instance.takeMoves();
    if (moves === undefined) return;
    const { devices, accounting, config, onEvictedFor } = this.#context;
    for (const { pciBdf } of devices.devices) accounting.moved(pciBdf, moves.moved.get(pciBdf) ?? NOTHING_MOVED);
    for (const { pciBdf, tid, bytes } of moves.asked) {
      if (!devices.devices.some((device) => device.pciBdf === pciBdf)) continue;
      const pid = processOf(config.procRoot, tid);
      if (pid !== undefined) onEvictedFor?.(pciBdf, pid, bytes);
    }
  }

  /** Switches on again what a driver that was loaded again has off. */
  #check(): void {
    try {
      if (!this.#instance.check()) this.died('its tracing instance was removed');
    } catch (error) {
      this.died(`its tracing instance cannot be set up: ${String(error)}`);
    }
  }

  died(reason: string): void {
    if (this.#ended !== undefined) return;
    void this.stop();
    this.#onDied(reason);
  }

  /** Off first, so that what is read last is all there is. */
  stop(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#movesTimer);
    this.#countMoves();
    this.#instance.switchOff();
    await this.#messages.stop();
    this.#reading.end();
    this.#instance.remove();
  }
}

function noteOn({ naming, sumsRefusal }: TraceInstance): string {
  const names = howNamed(naming);
  return sumsRefusal === ''
    ? names
    : `${names}; evictions are not counted: the kernel refused the sums (${sumsRefusal})`;
}

function howNamed(naming: Naming): string {
  if (naming.by === 'probe') return 'the driver names the process of every GPU VM';
  const since = naming.older ? 'since the exporter started, or that bind memory later' : 'since the exporter started';
  return `processes are known that made their GPU VM ${since}; the event on xe_vm_kill was refused (${naming.refusal})`;
}

/** The process that a thread belongs to. */
function processOf(procRoot: string, tid: number): number | undefined {
  try {
    const status = readFileSync(join(procRoot, String(tid), 'status'), 'utf8');
    return Number(/^Tgid:\s*(\d{1,10})$/m.exec(status)?.[1]) || undefined;
  } catch {
    return undefined;
  }
}
