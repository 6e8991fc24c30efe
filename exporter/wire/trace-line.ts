import { decoded, TraceFields } from './trace-fields.js';

/**
 * Lines of a tracing instance's trace_pipe (trace_print_context in kernel/trace/trace_output.c) and the fields
 * of the xe events in them (drivers/gpu/drm/xe/xe_trace*.h), Linux 6.8 to 7.3. Fields are found by name, because their order and number differ
 * between kernels. Pure; any text parses or is refused, in linear time.
 */

/** One event of the trace. */
export interface TraceLine {
  /** Of the thread that ran into the event; `<...>` when the kernel has forgotten it. */
  readonly comm: string;
  /** Thread id in the initial pid namespace. */
  readonly tid: number;
  /** Process id; undefined with the option record-tgid off, or when the kernel has forgotten it. */
  readonly tgid: number | undefined;
  /** Of the instance's trace_clock. */
  readonly nanoseconds: bigint;
  /** Name of the event, without its system. */
  readonly event: string;
  readonly fields: TraceFields;
}

/** The longest line of an xe event has some 200 characters. */
const MAX_LENGTH = 1024;

/**
 * `comm-tid (tgid) [cpu] flags seconds.micros: event: fields`. The comm is padded to 16 bytes, so that one that imitates what follows cannot
 * pass for it; a newline in it leaves less. Flags and tgid depend on the instance's options.
 */
const HEADER =
  /^(.{16}|[^-]{0,15})-(\d{1,10}) +(?:\( *(\d{1,10}|-+)\) +)?\[\d{1,5}\] +(?:[^ ]{4,6} +)?(\d{1,12})\.(\d{6}): (\w{1,64}): (.*)$/s;

/** Parses one line; undefined when it is no event. @param text decoded as latin1, one character a byte */
export function parseTraceLine(text: string): TraceLine | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const header = HEADER.exec(text);
  if (header === null) return undefined;
  const [, comm = '', tid, tgid = '-', seconds = '', micros = '', event = '', rest = ''] = header;
  return {
    comm: decoded(comm.trimStart()),
    tid: Number(tid),
    tgid: tgid.startsWith('-') ? undefined : Number(tgid),
    nanoseconds: BigInt(seconds + micros) * 1_000n,
    event,
    fields: new TraceFields(rest),
  };
}

/** A whole number, decimal or `0x`; undefined when there is none, `(fault)` for example, or it is beyond 2^53. */
export function numberField(fields: TraceFields, name: string): number | undefined {
  const text = fields.get(name) ?? '';
  const value = /^(?:-?\d{1,20}|0x[0-9a-f]{1,16})$/i.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Text; undefined when there is none or the kernel could not read it. */
export function textField(fields: TraceFields, name: string): string | undefined {
  const text = fields.get(name) ?? '';
  return text === '' || text === '(fault)' || text === '(null)' ? undefined : text;
}

/** A kernel pointer, hashed or not: only good for telling one object from another. undefined for none. */
export function pointerField(fields: TraceFields, name: string): string | undefined {
  const text = fields.get(name) ?? '';
  return /^(?:0x)?[0-9a-f]{4,16}$/i.test(text) && !/^(?:0x)?0+$/.test(text) ? text : undefined;
}
