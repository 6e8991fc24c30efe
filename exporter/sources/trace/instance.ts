import { existsSync } from 'node:fs';
import type { NativeFailure } from '../../native/binding.js';
import { MoveSums, type BufferMoves } from './buffer-moves.js';
import { INSTANCE_SETTINGS, type Tracefs, type XeTraceEvent } from './tracefs.js';
import { defineVmKillProbe, removeVmKillProbe } from './vm-kill-probe.js';

/** More exporters than run on one machine by design. */
const MAX_INSTANCES = 8;

const EVENTS: readonly XeTraceEvent[] = [
  'xe_vm_create',
  'xe_vm_free',
  'xe_vm_kill',
  'xe_vm_rebind_worker_enter',
  'xe_vm_rebind_worker_exit',
  'xe_exec_queue_create',
  // From Linux 7.2 on.
  'xe_exec_queue_create_multi_queue',
];

/** How the process of a VM is known. */
export type Naming =
  /** The function event reads it out of the VM. */
  | { readonly by: 'probe' }
  /** By who made it, from when on the trace runs; `refusal` is the errno of the function event. */
  | { readonly by: 'creation'; readonly refusal: string; readonly older: boolean };

/** Names the instances an exporter may take: a second exporter on the machine finds the first one read. */
export function instanceNames(): string[] {
  return Array.from({ length: MAX_INSTANCES }, (_, index) =>
    index === 0 ? 'xe-exporter' : `xe-exporter-${index + 1}`,
  );
}

/**
 * Takes the first instance that nobody reads. One that an exporter left when it was killed is taken over: opening its trace_pipe, which
 * only one reader can, decides whose it is.
 *
 * @param open opens the trace_pipe at a path
 * @throws the errno of making an instance
 */
export function takeInstance<Run>(
  tracefs: Tracefs,
  open: (path: string) => Run | NativeFailure,
): { readonly name: string; readonly opened: Run | NativeFailure } {
  const names = instanceNames();
  for (const name of names) {
    const made = makeInstance(tracefs, name);
    const opened = open(tracefs.path(name, 'trace_pipe'));
    if (!isFailure(opened)) return { name, opened };
    if (isBusy(opened) && name !== names.at(-1)) continue;
    if (made) tracefs.removeInstance(name);
    return { name, opened };
  }
  throw new Error('unreachable');
}

export function isFailure(opened: unknown): opened is NativeFailure {
  return typeof opened === 'object' && opened !== null && 'errno' in opened;
}

/** An instance whose trace_pipe is ours, from its setting up to its removal. Synchronous. */
export class TraceInstance {
  readonly #tracefs: Tracefs;
  readonly #name: string;
  readonly #sums: MoveSums | undefined;
  #sumsRefusal = '';
  #naming: Naming = { by: 'creation', refusal: '', older: false };

  /** @param sumsUp whether the kernel should sum up what moves out of and into the memory of the devices */
  constructor(tracefs: Tracefs, name: string, sumsUp: boolean) {
    this.#tracefs = tracefs;
    this.#name = name;
    this.#sums = sumsUp ? new MoveSums(tracefs, name) : undefined;
  }

  get naming(): Naming {
    return this.#naming;
  }

  /** Why the kernel does not sum up moves, an errno; empty when it does, or need not. */
  get sumsRefusal(): string {
    return this.#sumsRefusal;
  }

  /** What has moved since the last look; undefined where the kernel does not sum up. */
  takeMoves(): BufferMoves | undefined {
    if (this.#sumsRefusal !== '') return undefined;
    try {
      return this.#sums?.take();
    } catch (error) {
      this.#sumsRefusal = codeOf(error);
      return undefined;
    }
  }

  /** Sets it up and switches the events on. @throws what the kernel refuses */
  setUp(): void {
    for (const setting of INSTANCE_SETTINGS) {
      // Writing the clock empties the ring, with what an exporter that was killed could not read any more.
      if (!this.#tracefs.isSet(this.#name, setting)) this.#tracefs.set(this.#name, setting);
    }
    this.#switchOn();
  }

  /**
   * Looks after it: events of a driver that was loaded again are off, and the function event does not fire although it says it is on
   * (Linux 7.3). @returns false when the instance is gone
   */
  check(): boolean {
    if (!existsSync(this.#tracefs.path(this.#name))) return false;
    const loaded = this.#tracefs.has(this.#name, 'xe_vm_kill');
    if (loaded && !(this.#isOn() && this.#isProbeOn())) this.#switchOn();
    return true;
  }

  /** Switches everything off and removes the function event unless another exporter uses it. */
  switchOff(): void {
    const { by } = this.#naming;
    const steps = [
      ...this.#events().map((event) => () => this.#tracefs.switchOn(this.#name, event, false)),
      ...(this.#sums === undefined ? [] : [() => this.#sums?.end()]),
      ...(by === 'probe' ? [() => this.#tracefs.switchProbeOn(this.#name, false)] : []),
    ];
    // The driver may have been unloaded, and somebody else may have been here: the rest is to be done all the same.
    for (const step of steps) attempt(step);
    if (by === 'probe') removeVmKillProbe(this.#tracefs);
  }

  /** Once trace_pipe is closed. */
  remove(): void {
    attempt(() => this.#tracefs.removeInstance(this.#name));
  }

  #switchOn(): void {
    const refusal = defineVmKillProbe(this.#tracefs);
    if (refusal === undefined) {
      this.#naming = { by: 'probe' };
      if (this.#tracefs.isProbeOn(this.#name)) this.#tracefs.switchProbeOn(this.#name, false);
      this.#tracefs.switchProbeOn(this.#name, true);
    } else {
      this.#naming = { by: 'creation', refusal, older: this.#bindsNameVm() };
    }
    for (const event of this.#events()) {
      if (this.#tracefs.has(this.#name, event)) this.#tracefs.switchOn(this.#name, event, true);
    }
    this.#sumUp();
  }

  /** Victims are named also where the kernel does not sum up. */
  #sumUp(): void {
    this.#sumsRefusal = '';
    try {
      this.#sums?.setUp();
    } catch (error) {
      this.#sumsRefusal = codeOf(error);
    }
  }

  /** Binds are many: only where they are needed. */
  #events(): readonly XeTraceEvent[] {
    return this.#naming.by === 'creation' && this.#naming.older ? [...EVENTS, 'xe_vma_bind'] : EVENTS;
  }

  /** From Linux 6.16 on. */
  #bindsNameVm(): boolean {
    return /\bvm;/.test(this.#tracefs.format(this.#name, 'xe_vma_bind'));
  }

  #isOn(): boolean {
    return this.#tracefs.isOn(this.#name, 'xe_vm_kill');
  }

  #isProbeOn(): boolean {
    return this.#naming.by !== 'probe' || this.#tracefs.isProbeOn(this.#name);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function makeInstance(tracefs: Tracefs, name: string): boolean {
  try {
    tracefs.createInstance(name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isBusy({ errno }: NativeFailure): boolean {
  return errno === 16;
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // See the caller.
  }
}
