import { COMMANDS } from '../config/schema.js';
import { codedError } from '../errors.js';
import { exitCodeOf, startJob } from '../jobs/run/job.js';
import { SignalRelay } from '../jobs/run/signals.js';
import type { Command } from './command.js';

/**
 * Signals that leave a core file: of the job it has been written already, and one of this process would be in its way. Their number
 * goes into the exit code instead.
 */
const LEAVE_A_CORE: readonly NodeJS.Signals[] = [
  ...([
    'SIGQUIT',
    'SIGILL',
    'SIGTRAP',
    'SIGABRT',
    'SIGBUS',
    'SIGFPE',
    'SIGSEGV',
    'SIGXCPU',
    'SIGXFSZ',
    'SIGSYS',
  ] as const),
];

/** Runs a job and acts when it runs out of GPU memory; ends as the job ends. */
export const command: Command = {
  name: 'run',
  summary: COMMANDS.run,
  async run({ config, env, operands: words, own }) {
    if (words.length === 0) throw codedError('XEE_JOB_MISSING', {});
    const relay = new SignalRelay(own);
    const starting = startJob({ words, env, relay, attempt: 1 });
    // Loaded while the job starts, which shall not wait for it.
    const [job, { runJob }] = await Promise.all([starting, import('../jobs/run/run-job.js')]);
    const say = (message: string): void => own.tell(`xe-exporter run: ${message}\n`);
    const ending = await runJob(job, { config, words, env, own, relay, say });
    if (ending.signal !== null && !LEAVE_A_CORE.includes(ending.signal)) own.dieOf(ending.signal);
    return exitCodeOf(ending);
  },
};
