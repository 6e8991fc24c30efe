/** Lines of trace_pipe as the kernels print them, by kernel. */

export interface TraceLineParts {
  readonly comm?: string;
  readonly tid?: number;
  /** undefined: the kernel does not know it; null: the option record-tgid is off. */
  readonly tgid?: number | null | undefined;
  readonly cpu?: number;
  /** The column of the option irq-info. */
  readonly flags?: string;
  readonly seconds?: number;
}

/** What trace_print_context prints, then the event and its fields. */
export function aTraceLine(event: string, fields: string, parts: TraceLineParts = {}): string {
  const { comm = 'ollama', tid = 203, cpu = 0, flags = '', seconds = 8.105997 } = parts;
  const tgid = 'tgid' in parts ? parts.tgid : tid;
  const process = tgid === null ? '' : `(${tgid === undefined ? '-------' : String(tgid).padStart(7)}) `;
  const column = flags === '' ? '' : `${flags} `;
  const where = `[${String(cpu).padStart(3, '0')}] ${column}${seconds.toFixed(6).padStart(12)}`;
  return `${comm.padStart(16)}-${String(tid).padEnd(7)} ${process}${where}: ${event}: ${fields}`;
}

/** Fields of the events about a VM. */
export const VM_FIELDS = {
  '6.8': ({ vm, asid = 0 }: VmFields) => `vm=${vm}, asid=${hex(asid)}`,
  '6.12': ({ dev = '0000:03:00.0', vm, asid = 0 }: VmFields) => `dev=${dev}, vm=${vm}, asid=${hex(asid)}`,
  '6.16': ({ dev = '0000:03:00.0', vm, asid = 0, flags = 2 }: VmFields) =>
    `dev=${dev}, vm=${vm}, asid=${hex(asid)}, vm flags=${hex(flags)}`,
} as const;

/** Fields of xe_exec_queue_create. */
export const QUEUE_FIELDS = {
  '6.8': (fields: QueueFields) => queueFields(fields),
  '6.12': (fields: QueueFields) => `dev=0000:03:00.0, ${queueFields(fields)}`,
  '6.16': (fields: QueueFields) => `dev=0000:03:00.0, ${queueFields(fields)}`,
  '7.3': (fields: QueueFields) => `dev=0000:03:00.0, ${queueFields(fields)}`,
} as const;

export interface QueueFields {
  readonly gt?: number;
  readonly gucId?: number;
  readonly width?: number;
  readonly flags?: number;
}

function queueFields({ gt = 0, gucId = 5, width = 1, flags = 0 }: QueueFields): string {
  return `5:0x1, gt=${gt}, width=${width}, guc_id=${gucId}, guc_state=0x0, flags=0x${flags.toString(16)}`;
}

export interface VmFields {
  readonly dev?: string;
  readonly vm: string;
  readonly asid?: number;
  readonly flags?: number;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(5, '0')}`;
}
