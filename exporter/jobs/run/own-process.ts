/** The process that stands for the job: what only the program itself may do with it. */
export interface OwnProcess {
  readonly pid: number;
  /** From now on these signals go to `handler` and nowhere else. */
  takeSignals(signals: readonly NodeJS.Signals[], handler: (signal: NodeJS.Signals) => void): void;
  /** kill(2). @returns false when there is no such process, or it is not ours to signal */
  kill(pid: number, signal: NodeJS.Signals): boolean;
  /** Writes to standard error, which is the job's as well and stays as it is. */
  tell(text: string): void;
  /** Ends this process by what the signal does by default. Returns only where it does nothing: in process 1. */
  dieOf(signal: NodeJS.Signals): void;
}
