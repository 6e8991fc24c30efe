import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';

const EXPORTER = new URL('../../exporter/', import.meta.url);
/** Programs: they run as soon as they are loaded. */
const PROGRAM = /(^|\/)(main|program|[a-z]+-worker)\.js$/;

test('no module of the program loads undici, of which it uses nothing', () => {
  const modules = readdirSync(EXPORTER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js') && !PROGRAM.test(path))
    .map((path) => new URL(path, EXPORTER).href);
  assert.ok(modules.length > 200, `${modules.length} modules`);
  const script = `
    for (const module of ${JSON.stringify(modules)}) {
      await import(module);
      if (process.moduleLoadList.some((name) => name.includes('undici'))) throw new Error(module);
    }`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', script]);
});
