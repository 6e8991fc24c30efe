import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packProgram } from '../helpers/packed-program.js';
import type { Measurement, Scope } from './measurement.js';
import { PROGRAM } from './process.js';
import { median, percentile } from './statistics.js';

const PAIRS = 40;

/** Says at once that it runs. */
const JOB = ['echo', 'running'] as const;
const RUN = ['run', '--on-oom=restart', '--', ...JOB];
const SPAWN = `spawn('${JOB[0]}', ['${JOB[1]}'], { stdio: 'inherit' });`;

/** What `run` adds to the start of its job, next to a Node that does nothing but start it. */
export const jobStart: Measurement = {
  name: 'job-start',
  title: 'Start of a job under run',
  deadlineSeconds: 60,
  async run(scope) {
    const module = join(scope.folder, 'spawn.mjs');
    await writeFile(module, `import { spawn } from 'node:child_process';\n${SPAWN}\n`);
    const subjects: [title: string, args: readonly string[]][] = [
      ['node -e spawn()', ['-e', `const { spawn } = require('node:child_process'); ${SPAWN}`]],
      // What is left of the difference when a program does nothing of its own.
      ['one ES module, spawn()', [module]],
      // Without options of V8, as the package starts it.
      ['xe-exporter run', [PROGRAM.at(-1)!, ...RUN]],
      // As the image and the packages have it.
      ['xe-exporter run, in few files', [packProgram(join(scope.folder, 'packed')), ...RUN]],
    ];
    const took = subjects.map((): number[] => []);
    for (let pair = 0; pair < PAIRS; pair++) {
      for (const [index, [, args]] of subjects.entries()) took[index]!.push(await toJob(scope, args));
    }
    const [bare = []] = took;
    return {
      columns: ['to the first word of the job', 'median, ms', 'p25, ms', 'fastest, ms', 'p25, ratio', 'p25, added ms'],
      rows: subjects.map(([title], index) => {
        const times = took[index]!;
        const [p25, ofBare] = [percentile(times, 0.25), percentile(bare, 0.25)];
        return [title, median(times), p25, Math.min(...times), p25 / ofBare, p25 - ofBare];
      }),
      notes: [`${PAIRS} starts each, in turn. The job is echo(1).`],
    };
  },
};

/** @returns milliseconds */
async function toJob(scope: Scope, args: readonly string[]): Promise<number> {
  const begin = performance.now();
  const child = scope.child(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] }));
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  const took = performance.now() - begin;
  // What is left to do must not be in the way of the next.
  await exited;
  return took;
}
