import { constants } from 'node:os';
import { ERRNO_LABELS, type ErrnoLabel } from '../names.js';

/** What kind of trouble an errno of the rebind worker stands for; they need different advice and are never lumped. */
export type RebindErrorClass = 'memory' | 'timeout' | 'host-memory' | 'internal';

/** Linux errnos that Node does not name and that can be met here; 65 is the answer of a kernel without CONFIG_WATCH_QUEUE. */
const NOT_IN_NODE = { ENOPKG: 65, ESHUTDOWN: 108, EUCLEAN: 117, EREMOTEIO: 121, EHWPOISON: 133 };
const NUMBERS: Readonly<Record<string, number>> = { ...constants.errno, ...NOT_IN_NODE };

const NAMES = new Map<number, string>(
  Object.entries(NUMBERS)
    // Linux gives two names to two of its numbers; the kernel's own spelling wins.
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
    .map(([name, number]) => [number, name]),
);

const CLASSES: Readonly<Record<string, RebindErrorClass>> = {
  ENOMEM: 'memory',
  ENOSPC: 'memory',
  ETIME: 'timeout',
  EBUSY: 'host-memory',
  EFAULT: 'host-memory',
};

/** Symbolic name of a kernel error code (negative) or errno (positive): `ENOMEM`, or `errno 999` where none is known. */
export function errnoName(code: number): string {
  const number = Math.abs(code);
  return NAMES.get(number) ?? `errno ${number}`;
}

/** Symbolic name of an error as the kernel prints it: `-ENOMEM`, or `-12` by older kernels and those without symbolic names. */
export function errnoNameOf(printed: string): string {
  return /^-\d+$/.test(printed) ? errnoName(Number(printed)) : printed.replace(/^-/, '');
}

/** The errno of a symbolic name, positive; undefined for a name the platform does not know. */
export function errnoNumber(name: string): number | undefined {
  return NUMBERS[name];
}

/** The value of the bounded `errno` label. */
export function errnoLabel(code: number): ErrnoLabel {
  const name = errnoName(code);
  return (ERRNO_LABELS as readonly string[]).includes(name) ? (name as ErrnoLabel) : 'other';
}

/** Whether a rebind error means that the GPU's memory was exhausted ("rebind OOM"): ENOMEM, or ENOSPC, which is the same class. */
export function isRebindOom(code: number): boolean {
  const number = Math.abs(code);
  return number === constants.errno.ENOMEM || number === constants.errno.ENOSPC;
}

/** The class of trouble that a value of the `errno` label stands for. */
export function errnoLabelClass(label: ErrnoLabel): RebindErrorClass {
  return CLASSES[label] ?? 'internal';
}

/** The class of trouble behind an error code of the rebind worker (drivers/gpu/drm/xe/xe_vm.c, Linux 7.2). */
export function rebindErrorClass(code: number): RebindErrorClass {
  return CLASSES[errnoName(code)] ?? 'internal';
}
