import { closeSync, constants, mkdirSync, openSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The dynamic event of the exporter: group and name. */
export const VM_KILL_PROBE = { group: 'xe_exporter', name: 'vm_kill' } as const;

/** Events of the xe driver that may be switched on, one by one: nobody knows what else stands in their folder. */
export const XE_EVENTS = [
  'xe_vm_create',
  'xe_vm_free',
  'xe_vm_kill',
  'xe_vm_rebind_worker_enter',
  'xe_vm_rebind_worker_exit',
  'xe_vma_bind',
  'xe_exec_queue_create',
  'xe_exec_queue_create_multi_queue',
] as const;
export type XeTraceEvent = (typeof XE_EVENTS)[number];

const VRAM = (name: string): string => `${name} ~ "vram*"`;
const HOST = (name: string): string => `(${name} == "system" || ${name} == "gtt")`;

/**
 * What the kernel may sum up of moved buffers: triggers of xe_bo_move, by device (xe_bo_move and the names in xe_mem_type_to_name of xe_bo.c,
 * Linux 6.12 to 7.3). A buffer that is new in VRAM moves there, too, and has nothing that would be restored.
 */
const EVICTED = `${VRAM('old_placement_name')} && ${HOST('new_placement_name')}`;
const RESTORED = `${VRAM('new_placement_name')} && ${HOST('old_placement_name')} && move_lacks_source == 0`;
export const MOVE_SUMS = {
  /** More devices than a node has. */
  evicted: { keys: 'device_id', size: 128, filter: EVICTED },
  restored: { keys: 'device_id', size: 128, filter: RESTORED },
  /** By who asked for memory. Emptied before it is full. */
  asked: { keys: 'device_id,common_pid', size: 1024, filter: EVICTED },
} as const;
export type MoveSum = keyof typeof MOVE_SUMS;
/** Settings of an instance that may be written, with the one value each. */
const SETTINGS = {
  /** A few hundred events for each CPU. The default is 1,410. */
  buffer_size_kb: '64',
  /** CLOCK_MONOTONIC, as every other time of the exporter. */
  trace_clock: 'mono',
  'options/record-tgid': '1',
  'options/irq-info': '0',
} as const;
export type InstanceSetting = keyof typeof SETTINGS;
export const INSTANCE_SETTINGS = Object.keys(SETTINGS) as InstanceSetting[];

/**
 * EVERYTHING the exporter writes to tracefs: its own instance, the settings, switches and sums above in that instance, and one dynamic event of
 * its own. Nothing is opened with O_TRUNC, which deletes the dynamic events of everybody (kernel/trace/trace_dynevent.c, Linux 7.3), or O_CREAT.
 * All methods are synchronous and throw the errno of the kernel. Linux 6.8 to 7.3.
 */
export class Tracefs {
  readonly #root: string;

  /** @param root where tracefs is mounted, normally `/sys/kernel/tracing` */
  constructor(root: string) {
    this.#root = root;
  }

  /** Of one of our instances. */
  path(instance: string, ...parts: string[]): string {
    return join(this.#root, 'instances', instance, ...parts);
  }

  createInstance(instance: string): void {
    mkdirSync(this.path(instance), 0o700);
  }

  /** EBUSY while somebody has a file of it open. */
  removeInstance(instance: string): void {
    rmdirSync(this.path(instance));
  }

  /** Whether a setting has the value it should have. */
  isSet(instance: string, setting: InstanceSetting): boolean {
    const text = readFileSync(this.path(instance, setting), 'utf8').trim();
    if (setting === 'trace_clock') return text.includes(`[${SETTINGS[setting]}]`);
    return text === SETTINGS[setting];
  }

  set(instance: string, setting: InstanceSetting): void {
    write(this.path(instance, setting), constants.O_WRONLY, SETTINGS[setting]);
  }

  /** Whether the driver has that event; false while it is not loaded. */
  has(instance: string, event: XeTraceEvent): boolean {
    return this.#read(this.path(instance, 'events/xe', event, 'enable')) !== undefined;
  }

  isOn(instance: string, event: XeTraceEvent): boolean {
    return this.#read(this.path(instance, 'events/xe', event, 'enable'))?.startsWith('1') ?? false;
  }

  switchOn(instance: string, event: XeTraceEvent, on: boolean): void {
    write(this.path(instance, 'events/xe', event, 'enable'), constants.O_WRONLY, on ? '1' : '0');
  }

  /** Has the kernel keep a sum for this instance; one that it keeps already stays. Nothing enters the ring. */
  keepSum(instance: string, sum: MoveSum): void {
    const path = this.path(instance, 'events/xe/xe_bo_move/trigger');
    // O_TRUNC would remove the other sums (kernel/trace/trace_events_trigger.c, Linux 7.3).
    try {
      write(path, constants.O_WRONLY | constants.O_APPEND, `${trigger(sum)}\n`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }

  forgetSum(instance: string, sum: MoveSum): void {
    const path = this.path(instance, 'events/xe/xe_bo_move/trigger');
    write(path, constants.O_WRONLY | constants.O_APPEND, `!${trigger(sum)}\n`);
  }

  /** The sums as the kernel shows them; undefined while the driver is not loaded. */
  sums(instance: string): string | undefined {
    return this.#read(this.path(instance, 'events/xe/xe_bo_move/hist'));
  }

  /** The fields of an event as the kernel describes them; empty while the driver is not loaded. */
  format(instance: string, event: XeTraceEvent): string {
    return this.#read(this.path(instance, 'events/xe', event, 'format')) ?? '';
  }

  /** The definition of {@link VM_KILL_PROBE} as it stands, by whomever; undefined when there is none. */
  definedProbe(): string | undefined {
    const head = `f:${VM_KILL_PROBE.group}/${VM_KILL_PROBE.name} `;
    const text = readFileSync(join(this.#root, 'dynamic_events'), 'utf8');
    return text.split('\n').find((line) => line.startsWith(head));
  }

  /** Defines the event for the whole machine. @param what behind the name: function and arguments */
  defineProbe(what: string): void {
    this.#append(`f:${VM_KILL_PROBE.group}/${VM_KILL_PROBE.name} ${what}`);
  }

  /** EBUSY while it is switched on anywhere. */
  removeProbe(): void {
    this.#append(`-:${VM_KILL_PROBE.group}/${VM_KILL_PROBE.name}`);
  }

  switchProbeOn(instance: string, on: boolean): void {
    const path = this.path(instance, 'events', VM_KILL_PROBE.group, VM_KILL_PROBE.name, 'enable');
    write(path, constants.O_WRONLY, on ? '1' : '0');
  }

  /** Whether the event is defined and switched on in the instance. */
  isProbeOn(instance: string): boolean {
    const path = this.path(instance, 'events', VM_KILL_PROBE.group, VM_KILL_PROBE.name, 'enable');
    return this.#read(path)?.startsWith('1') ?? false;
  }

  #append(line: string): void {
    write(join(this.#root, 'dynamic_events'), constants.O_WRONLY | constants.O_APPEND, `${line}\n`);
  }

  #read(path: string): string | undefined {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }
}

function trigger(sum: MoveSum): string {
  const { keys, size, filter } = MOVE_SUMS[sum];
  return `hist:keys=${keys}:vals=size:size=${size} if ${filter}`;
}

/** One write(2): each is a command to the kernel. */
function write(path: string, flags: number, text: string): void {
  const fd = openSync(path, flags);
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}
