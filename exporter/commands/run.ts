import { COMMANDS } from '../config/schema.js';
import { codedError } from '../errors.js';
import { exitCodeOf } from '../jobs/run/job.js';
import { runJob } from '../jobs/run/run-job.js';
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
  async run({ config, env, operands, own, stderr }) {
    if (operands.length === 0) throw codedError('XEE_JOB_MISSING', {});
    const say = (message: string): void => void stderr.write(`xe-exporter run: ${message}\n`);
    const ending = await runJob({ config, words: operands, env, own, say });
    if (ending.signal !== null && !LEAVE_A_CORE.includes(ending.signal)) own.dieOf(ending.signal);
    return exitCodeOf(ending);
  },
};
