/** `npm run dashboards`: writes dashboards/out; with --check it changes nothing, shows the difference and fails if there is one. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { generatedFiles } from './generated.js';

const check = process.argv.includes('--check');
for (const [path, text] of generatedFiles()) {
  if (check) {
    const { status } = spawnSync('diff', ['-uN', '--label', path, '--label', 'generated', path, '-'], {
      input: text,
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    if (status !== 0) process.exitCode = 1;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
if (process.exitCode === 1) console.error('Generated files are out of date: run "npm run dashboards" and commit them.');
