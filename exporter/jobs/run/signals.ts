import { survives } from '../../host/signal-masks.js';
import type { OwnProcess } from './own-process.js';

/** Passed on to the job. SIGTSTP, SIGCONT and SIGWINCH reach it from the terminal, as its process group is ours. */
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Those that ask for an end: a job that got one is not started again. */
const ASK_FOR_THE_END: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'];

/** Those the terminal sends to its whole foreground process group, and so to the job as well. */
const FROM_THE_KEYBOARD: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

/** Passes signals from us on to the job, from the moment it is made. */
export class SignalRelay {
  /** The job's main process; undefined while none runs. */
  target: number | undefined;
  /** The signal that asked for the end, the first of them. */
  asked: NodeJS.Signals | undefined;
  onChildEnded: () => void = () => undefined;
  readonly #process: OwnProcess;
  #onAsked: () => void = () => undefined;

  constructor(own: OwnProcess) {
    this.#process = own;
    own.takeSignals([...PASSED_ON, 'SIGCHLD'], (signal) => {
      if (signal === 'SIGCHLD') this.onChildEnded();
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
    if (this.target === undefined || (FROM_THE_KEYBOARD.includes(signal) && isFromTerminal(this.target, signal)))
      return;
    this.#process.kill(this.target, signal);
  }
}

/**
 * Whether the terminal has sent the signal to the job as well. A Ctrl-C just before there is a job reaches us alone: a job of the
 * foreground that neither handles the signal nor has died of it did not get it.
 */
function isFromTerminal(job: number, signal: NodeJS.Signals): boolean {
  const { group, foreground } = terminalOf('self');
  return group === foreground && (terminalOf(job).group !== group || survives(procText(job, 'status'), signal));
}

/** Our process group, and the one the terminal sends its signals to: fields 5 and 8 of /proc/<pid>/stat. */
function terminalOf(pid: number | 'self'): { readonly group: number; readonly foreground: number } {
  const fields = procText(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ');
  return { group: Number(fields[2]), foreground: Number(fields[5]) };
}

function procText(pid: number | 'self', file: string): string {
  try {
    // Not by `import`, which would load Node's streams and promises of files before the job starts.
    return process.getBuiltinModule('node:fs').readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
