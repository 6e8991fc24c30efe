import { pino, stdTimeFunctions } from 'pino';

/** What the rest of the program logs with. Fields hold no secrets; a message is one clause with no values in it. */
export interface Logger {
  fatal(fields: object, message: string): void;
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

export interface LoggerOptions {
  readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug';
  readonly format: 'text' | 'json';
  /** Standard error: standard output belongs to events. */
  readonly stream: { write(line: string): unknown };
}

/**
 * A logger that writes one line a message, as JSON or as text for people. Errors go into the field `err`. No host name and
 * process id in every line: the log collector adds its own.
 */
export function createLogger({ level, format, stream }: LoggerOptions): Logger {
  const destination = format === 'json' ? stream : { write: (line: string) => stream.write(toText(line)) };
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime, formatters }, destination);
}

/** `2026-01-02T03:04:05.678Z INFO  message key=value`, from pino's JSON line. */
function toText(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const error = err as { message?: string; stack?: string } | undefined;
  if (error?.message !== undefined) fields['error'] = error.message;
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${inline(value)}`);
  const stack = level === 'debug' && error?.stack !== undefined ? `\n${error.stack}` : '';
  return `${String(time)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${pairs.join('')}${stack}\n`;
}

function inline(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=\\]+$/.test(value) ? value : JSON.stringify(value);
}
