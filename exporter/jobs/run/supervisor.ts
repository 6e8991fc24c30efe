import { withDeadline } from '../../time/deadline.js';
import type { OomAction } from '../../config/oom-action.js';
import { scaleOf, startJob, type Ending, type Job } from './job.js';
import type { Say } from './messages.js';
import type { OwnProcess } from './own-process.js';
import type { ProcessTree } from './process-tree.js';
import { signalWhoCatches } from './signal-job.js';
import type { SignalRelay } from './signals.js';
import { stopJob } from './stop-job.js';
import { describe, isOutOfMemory, type Ears, type VmError } from './vm-error.js';

/** BSD's EX_TEMPFAIL: "try again later". Given when a job has used up its restarts. */
const OUT_OF_RESTARTS = 75;

/** The longest pause before a restart. */
const MOST_BACKOFF_MS = 60_000;

export interface SupervisorOptions {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onOom: OomAction;
  readonly maxRestarts: number;
  readonly backoffMs: number;
  readonly killAfterMs: number;
  readonly own: OwnProcess;
  readonly tree: ProcessTree;
  readonly relay: SignalRelay;
  /** Set once it is known who hears of the job's errors; undefined when nobody does. */
  readonly ears: () => Ears | undefined;
  readonly say: Say;
}

/** Runs a job, again if that was asked for, and acts when it has run out of GPU memory. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #job: Job | undefined;
  /** The job has run out of GPU memory in this attempt. */
  #outOfMemory = false;
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * @param first the job, started for the first time
   * @returns how the last attempt ended, or the exit code that was asked for
   * @throws CodedError when the job cannot be started again
   */
  async run(first: Job): Promise<Ending> {
    for (let attempt = 1; ; attempt++) {
      const ending = await this.#attempt(attempt === 1 ? first : await startJob({ ...this.#options, attempt }));
      const { onOom, relay, maxRestarts } = this.#options;
      if (!this.#outOfMemory || relay.asked !== undefined) return ending;
      if (onOom.kind === 'exit') return { code: onOom.code, signal: null };
      if (onOom.kind !== 'restart') return ending;
      if (attempt > maxRestarts) return this.#outOfRestarts(attempt);
      await this.#pause(attempt);
      // Asked for while nothing ran: there is nothing to pass it on to.
      if (relay.asked !== undefined) return { code: null, signal: relay.asked };
    }
  }

  /** Takes an error of the job. */
  vmError(error: VmError): void {
    const { onOom, say } = this.#options;
    if (this.#job === undefined || this.#stopping !== undefined) return;
    if (!isOutOfMemory(error))
      return say(`the driver stopped ${describe(error)}; that is not a lack of GPU memory, so the job is left alone`);
    this.#outOfMemory = true;
    const lost = `out of GPU memory: the driver stopped ${describe(error)}`;
    if (onOom.kind === 'none') return say(lost);
    if (onOom.kind === 'signal') return this.#signal(onOom.signal, error, lost);
    say(`${lost}; ending the job${onOom.kind === 'exit' ? ` with exit code ${onOom.code}` : ''}`);
    this.#stop();
  }

  async #attempt(job: Job): Promise<Ending> {
    const { own, tree, onOom } = this.#options;
    this.#outOfMemory = false;
    this.#stopping = undefined;
    this.#job = job;
    const ending = await job.ended;
    const isFailure = ending.code !== 0;
    const acts = onOom.kind === 'exit' || onOom.kind === 'restart';
    // Without an error known yet: it may have come in the job's last moment.
    if (isFailure && acts && !this.#outOfMemory) await this.#options.ears()?.lastWords();
    // What it left running holds GPU memory.
    if (isFailure && acts && this.#outOfMemory && tree.below(own.pid).length > 0) this.#stop();
    await this.#stopped();
    this.#job = undefined;
    // A job that did its work did not need the memory.
    if (!isFailure) this.#outOfMemory = false;
    return ending;
  }

  #stop(): void {
    const { own, tree, killAfterMs } = this.#options;
    this.#stopping ??= stopJob(own, tree, killAfterMs);
  }

  async #stopped(): Promise<void> {
    await this.#stopping;
  }

  #signal(signal: NodeJS.Signals, error: VmError, lost: string): void {
    const { own, tree, say } = this.#options;
    const receiver = this.#job && signalWhoCatches(own, tree, signal, error.pid ?? this.#job.pid);
    say(
      receiver === undefined
        ? `${lost}; no process of the job handles ${signal}, which would end it, so it was not sent`
        : `${lost}; sent ${signal} to process ${receiver}`,
    );
  }

  #outOfRestarts(attempts: number): Ending {
    this.#options.say(`out of GPU memory in all of ${attempts} attempts: giving up with exit code ${OUT_OF_RESTARTS}`);
    return { code: OUT_OF_RESTARTS, signal: null };
  }

  async #pause(attempt: number): Promise<void> {
    const { backoffMs, say, relay } = this.#options;
    const pauseMs = Math.min(MOST_BACKOFF_MS, backoffMs * 2 ** Math.min(attempt - 1, 30));
    say(
      `starting the job again in ${pauseMs / 1000} s: attempt ${attempt + 1}, suggested scale ${scaleOf(attempt + 1)}`,
    );
    await withDeadline(pauseMs, relay.whenAsked);
  }
}
