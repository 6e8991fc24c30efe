import { BoundedMap } from '../../bounded-map.js';
import { numberField, pointerField, textField, type TraceLine } from '../../wire/trace-line.js';
import { VM_KILL_PROBE } from './tracefs.js';

/** The process that a GPU VM belongs to, as the kernel says it. */
export interface VmOwner {
  /** In the initial pid namespace. */
  readonly pid: number | undefined;
  /** What it was called when it opened the file, or made the VM; empty when unknown. */
  readonly comm: string;
  readonly drmClientId: number | undefined;
}

/** The driver has given up a VM. */
export interface VmKill {
  /** CLOCK_MONOTONIC of the kill, nanoseconds. */
  readonly nanoseconds: bigint;
  /** undefined before Linux 6.12, which does not say. */
  readonly pciBdf: string | undefined;
  /** undefined when the VM belongs to no process, or was made before anybody looked. */
  readonly owner: VmOwner | undefined;
  /** False when it was not the rebind worker: the driver writes no `VM worker error` then. */
  readonly rebind: boolean;
}

export interface VmKillsOptions {
  readonly onKill: (kill: VmKill) => void;
  /** A process has made a VM. */
  readonly onCreated: (pid: number) => void;
  /** The process that a thread belongs to, where the trace does not say; undefined when it is gone. */
  readonly processOf: (tid: number) => number | undefined;
  /** Sets `run` to run once, soon, unless it is set already. */
  readonly later: (run: () => void) => void;
  readonly maxVms?: number;
}

/** VMs that are remembered; beyond it the oldest goes. */
const MAX_VMS = 16_384;
/** Threads inside the rebind worker; an ordered queue has one for each device. */
const MAX_WORKERS = 1_024;
/** A VM that dies again within this time is the same death, told twice (xe_pt_update_ops_run in the rebind worker). */
const SAME_DEATH_NS = 1_000_000_000n;
/** So long after a gap in the trace, a worker may be one whose beginning was not seen. */
const UNCERTAIN_NS = 1_000_000_000n;

/** enum of vm->flags in xe_vm_types.h: VMs of the driver itself. */
const KERNEL_VM_FLAGS = 0x4 | 0x100;

interface Vm {
  readonly owner: VmOwner | undefined;
  killedAt: bigint | undefined;
}

/** What the function event has read, waiting for the driver's own event in the same call. */
interface Probed {
  readonly line: TraceLine;
  readonly owner: VmOwner | undefined;
  /** The wait for the driver's own event was over before it was read. */
  published: boolean;
}

/** From the lines of the trace to the VMs that die and the processes they belong to. */
export class VmKills {
  readonly #options: VmKillsOptions;
  readonly #vms: BoundedMap<string, Vm>;
  readonly #workers = new Set<number>();
  readonly #probed = new Map<number, Probed>();
  #uncertainUntil: bigint;

  /** @param startedNs CLOCK_MONOTONIC of the beginning of the trace */
  constructor(startedNs: bigint, options: VmKillsOptions) {
    this.#options = options;
    this.#uncertainUntil = startedNs + UNCERTAIN_NS;
    this.#vms = new BoundedMap(options.maxVms ?? MAX_VMS);
  }

  /** How much is remembered. */
  get remembered(): number {
    return this.#vms.size;
  }

  /** Lines are missing up to that moment. */
  lost(untilNs: bigint): void {
    this.#uncertainUntil = untilNs + UNCERTAIN_NS;
    this.#workers.clear();
  }

  take(line: TraceLine): void {
    switch (line.event) {
      case 'xe_vm_create':
        return this.#created(line);
      case 'xe_vma_bind':
        return this.#bound(line);
      case 'xe_vm_free':
        return this.#freed(line);
      case 'xe_vm_rebind_worker_enter':
        if (this.#workers.size < MAX_WORKERS) this.#workers.add(line.tid);
        return;
      case 'xe_vm_rebind_worker_exit':
        this.#workers.delete(line.tid);
        return;
      case VM_KILL_PROBE.name:
        return this.#entered(line);
      case 'xe_vm_kill':
        return this.#killed(line);
    }
  }

  /** Ends the wait for what has not come. */
  flush(): void {
    for (const probed of this.#probed.values()) {
      if (probed.published) continue;
      probed.published = true;
      this.#publish(probed.line, textField(probed.line.fields, 'dev'), probed.owner);
    }
  }

  #created(line: TraceLine): void {
    const flags = numberField(line.fields, 'flags') ?? 0;
    if ((flags & KERNEL_VM_FLAGS) !== 0) return;
    const pid = line.tgid ?? this.#options.processOf(line.tid);
    // Also where it is at the address of one whose end was missed.
    this.#remember(line, { pid, comm: knownComm(line), drmClientId: undefined });
    if (pid !== undefined) this.#options.onCreated(pid);
  }

  /** Tells whose a VM is that was made before the trace began; the rebind worker binds, too. */
  #bound(line: TraceLine): void {
    if (this.#workers.has(line.tid) || line.comm.startsWith('kworker/') || this.#known(line) !== undefined) return;
    const pid = line.tgid ?? this.#options.processOf(line.tid);
    if (pid !== undefined) this.#remember(line, { pid, comm: knownComm(line), drmClientId: undefined });
  }

  #entered(line: TraceLine): void {
    if (this.#probed.has(line.tid)) this.flush();
    const pid = numberField(line.fields, 'pid');
    const drmClientId = numberField(line.fields, 'client');
    // Both are 0 for a VM of the driver itself.
    const owner = pid || drmClientId ? { pid, comm: textField(line.fields, 'comm') ?? '', drmClientId } : undefined;
    this.#probed.delete(line.tid);
    this.#probed.set(line.tid, { line, owner, published: false });
    if (this.#probed.size > MAX_WORKERS) this.#dropOldestProbed();
    this.#options.later(() => this.flush());
  }

  /** Where the driver's own event never comes. */
  #dropOldestProbed(): void {
    this.flush();
    for (const tid of this.#probed.keys()) return void this.#probed.delete(tid);
  }

  #killed(line: TraceLine): void {
    const probed = this.#probed.get(line.tid);
    this.#probed.delete(line.tid);
    const vm = this.#known(line) ?? this.#remember(line, undefined);
    const before = probed?.published ? probed.line.nanoseconds : vm.killedAt;
    const again = before !== undefined && line.nanoseconds - before < SAME_DEATH_NS;
    vm.killedAt = line.nanoseconds;
    if (again) return;
    const pciBdf = textField(line.fields, 'dev') ?? (probed && textField(probed.line.fields, 'dev'));
    this.#publish(line, pciBdf, merged(probed?.owner, vm.owner));
  }

  #publish({ tid, comm, nanoseconds }: TraceLine, pciBdf: string | undefined, owner: VmOwner | undefined): void {
    const uncertain = nanoseconds < this.#uncertainUntil && comm.startsWith('kworker/');
    this.#options.onKill({ nanoseconds, pciBdf, owner, rebind: this.#workers.has(tid) || uncertain });
  }

  #remember(line: TraceLine, owner: VmOwner | undefined): Vm {
    const vm = { owner, killedAt: undefined };
    const key = keyOf(line);
    if (key !== undefined) this.#vms.set(key, vm);
    return vm;
  }

  #known(line: TraceLine): Vm | undefined {
    const key = keyOf(line);
    return key === undefined ? undefined : this.#vms.get(key);
  }

  #freed(line: TraceLine): void {
    const key = keyOf(line);
    if (key !== undefined) this.#vms.delete(key);
  }
}

/** What the function event says comes first; before Linux 6.12 it does not say the process. */
function merged(probed: VmOwner | undefined, known: VmOwner | undefined): VmOwner | undefined {
  if (probed === undefined || known === undefined) return probed ?? known;
  return { ...probed, pid: probed.pid ?? known.pid, comm: probed.comm || known.comm };
}

/** undefined without a pointer: then there is nothing to know it by again. */
function keyOf({ fields }: TraceLine): string | undefined {
  const vm = pointerField(fields, 'vm');
  return vm && `${textField(fields, 'dev') ?? ''} ${vm}`;
}

/** The kernel prints this for a thread it has forgotten. */
function knownComm({ comm }: TraceLine): string {
  return comm === '<...>' ? '' : comm;
}
