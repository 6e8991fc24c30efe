import type { Config } from '../config/schema.js';
import type { OwnProcess } from '../jobs/run/own-process.js';
import type { Logger } from '../logger.js';

/** Where a command prints. `isTTY` and `columns` are there on a terminal. Writes after the reader has gone are swallowed. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything a command gets; it takes nothing from `process`. */
export interface CommandContext {
  readonly config: Config;
  /** The process's variables, for the standard OTEL_* ones. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Belongs to what the command prints: events, reports. */
  readonly stdout: Output;
  /** Belongs to the log and to errors. */
  readonly stderr: Output;
  /** Aborted by the first SIGINT or SIGTERM (a second one ends the process), and for `watch` when standard output is closed. */
  readonly signal: AbortSignal;
  /** Registers what to do with the configuration as it is after a SIGHUP; one that has a mistake is logged and not applied. */
  readonly onReload: (apply: (config: Config) => void) => void;
  readonly logger: Logger;
  /** The words after "--": the job of `run` and its arguments. */
  readonly operands: readonly string[];
  /** For `run`, which stands for another process. */
  readonly own: OwnProcess;
  /** Version of this package. */
  readonly version: string;
  /** Version of Node, without the v. */
  readonly nodeVersion: string;
}
