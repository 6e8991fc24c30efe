import { readFileSync } from 'node:fs';
import type { OwnProcess } from './own-process.js';

/** Passed on to the job. SIGTSTP, SIGCONT and SIGWINCH reach it from the terminal, as its process group is ours. */
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Those that ask for an end: a job that got one is not started again. */
const ASK_FOR_THE_END: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'];

/** Those the terminal sends to its whole foreground process group, and so to the job as well. */
const FROM_THE_KEYBOARD: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

/** Passes signals from us on to the job. */
export class SignalRelay {
  /** The job's main process; undefined while none runs. */
  target: number | undefined;
  /** The signal that asked for the end, the first of them. */
  asked: NodeJS.Signals | undefined;
  readonly #process: OwnProcess;
  #onAsked: () => void = () => undefined;

  constructor(own: OwnProcess, onChildEnded: () => void) {
    this.#process = own;
    own.takeSignals([...PASSED_ON, 'SIGCHLD'], (signal) => {
      if (signal === 'SIGCHLD') onChildEnded();
      else this.#received(signal);
    });
  }

  /** Resolves once the end has been asked for. */
  readonly whenAsked = new Promise<void>((resolve) => {
    this.#onAsked = resolve;
  });

  #received(signal: NodeJS.Signals): void {
    if (ASK_FOR_THE_END.includes(signal)) {
      this.asked ??= signal;
      this.#onAsked();
    }
    if (this.target === undefined || (FROM_THE_KEYBOARD.includes(signal) && isInForeground())) return;
    this.#process.kill(this.target, signal);
  }
}

/** Whether our process group is the one the terminal sends its signals to: fields 5 and 8 of /proc/self/stat. */
function isInForeground(): boolean {
  try {
    const fields = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[2]) === Number(fields[5]);
  } catch {
    return false;
  }
}
