import type { CommandContext } from '../app/context.js';
import type { CommandName } from '../config/schema.js';

/** One subcommand: a file in this folder, a line in config/schema.ts COMMANDS and a line in program.ts. */
export interface Command {
  readonly name: CommandName;
  /** One sentence; `COMMANDS[name]`, which `--help` prints without loading the command. */
  readonly summary: string;
  /**
   * Runs until done or until the signal is aborted, and releases everything before it resolves.
   * @returns the exit code, one of EXIT.
   * @throws CodedError for what the user can mend; anything else is reported as a bug.
   */
  run(context: CommandContext): Promise<number>;
}
