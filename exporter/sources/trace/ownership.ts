import { numberField, textField, type TraceLine } from '../../wire/trace-line.js';
import type { VmOwner } from './vm-kills.js';

/** What a fault names by a number: an exec queue by its GuC id, which counts in each GT, or the address space of a VM. */
export type TracedObject =
  | { readonly kind: 'exec_queue'; readonly gt: number; readonly gucId: number }
  | { readonly kind: 'address_space'; readonly asid: number };

/** From that moment on, until another is told, this is whose the object is. */
export interface Ownership {
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly nanoseconds: bigint;
  /** undefined before Linux 6.12, which does not say. */
  readonly pciBdf: string | undefined;
  readonly object: TracedObject;
  /** undefined when it is the driver's own, or the process is gone. */
  readonly owner: VmOwner | undefined;
}

/** EXEC_QUEUE_FLAG_KERNEL in xe_exec_queue_types.h: a queue of the driver itself. */
const KERNEL_QUEUE_FLAG = 0x1;
/** enum of vm->flags in xe_vm_types.h: VMs of the driver itself. */
const KERNEL_VM_FLAGS = 0x4 | 0x100;
/** A queue over several engines has an id for each, one after the other: the hardware has at most eight of a class. */
const MAX_WIDTH = 8;

/**
 * What a line of the trace tells of who owns what: xe_exec_queue_create and xe_vm_create run in the thread that asks for the object
 * (xe_guc_submit.c, xe_vm.c; Linux 6.8 to 7.3). Before Linux 6.16 a VM has no address space yet when it is made.
 *
 * @param processOf the process that a thread belongs to, where the trace does not say; undefined when it is gone
 */
export function ownershipsOf(line: TraceLine, processOf: (tid: number) => number | undefined): Ownership[] {
  switch (line.event) {
    case 'xe_exec_queue_create':
    case 'xe_exec_queue_create_multi_queue':
      return queuesOf(line, processOf);
    case 'xe_vm_create':
      return addressSpaceOf(line, processOf);
    default:
      return [];
  }
}

function queuesOf(line: TraceLine, processOf: (tid: number) => number | undefined): Ownership[] {
  const [gt, gucId, width = 1, flags = 0] = ['gt', 'guc_id', 'width', 'flags'].map((name) =>
    numberField(line.fields, name),
  );
  if (gt === undefined || gucId === undefined) return [];
  const owner = (flags & KERNEL_QUEUE_FLAG) === 0 ? makerOf(line, processOf) : undefined;
  return Array.from({ length: Math.min(Math.max(width, 1), MAX_WIDTH) }, (_, index) =>
    ownership(line, { kind: 'exec_queue', gt, gucId: gucId + index }, owner),
  );
}

function addressSpaceOf(line: TraceLine, processOf: (tid: number) => number | undefined): Ownership[] {
  const asid = numberField(line.fields, 'asid') ?? 0;
  const flags = numberField(line.fields, 'flags') ?? 0;
  if (asid === 0) return [];
  const owner = (flags & KERNEL_VM_FLAGS) === 0 ? makerOf(line, processOf) : undefined;
  return [ownership(line, { kind: 'address_space', asid }, owner)];
}

function ownership({ nanoseconds, fields }: TraceLine, object: TracedObject, owner: VmOwner | undefined): Ownership {
  return { nanoseconds, pciBdf: textField(fields, 'dev'), object, owner };
}

function makerOf({ tid, tgid, comm }: TraceLine, processOf: (tid: number) => number | undefined): VmOwner | undefined {
  const pid = tgid ?? processOf(tid);
  return pid === undefined ? undefined : { pid, comm: comm === '<...>' ? '' : comm, drmClientId: undefined };
}
