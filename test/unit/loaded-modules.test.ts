import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

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

test('a job under run waits for none of the modules of Node.js that `import` of node:fs, node:util or node:v8 would load', () => {
  const hook = `
    import childProcess from 'node:child_process';
    import { syncBuiltinESMExports } from 'node:module';
    childProcess.spawn = () => {
      process.stdout.write(JSON.stringify(process.moduleLoadList), () => process.exit(0));
      return { once() {} };
    };
    syncBuiltinESMExports();`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`];
  const main = fileURLToPath(new URL('main.js', EXPORTER));
  const text = execFileSync(process.execPath, [...args, main, 'run', '--on-oom=restart', '--', 'true'], {
    encoding: 'utf8',
  });
  const loaded = JSON.parse(text) as readonly string[];
  assert.ok(loaded.includes('NativeModule child_process'));
  for (const name of ['v8', 'internal/fs/streams', 'internal/heap_utils'])
    assert.ok(!loaded.includes(`NativeModule ${name}`), name);
});
