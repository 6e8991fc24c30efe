import type { Logger } from './logger.js';

/** A logger for commands that have no log: what went wrong as plain lines, and nothing else. */
export function plainLogger(tell: (line: string) => void): Logger {
  const write = (_fields: object, message: string): void => tell(`xe-exporter: ${message}\n`);
  const ignore = (): void => undefined;
  return { fatal: write, error: write, warn: write, info: ignore, debug: ignore };
}
