// The Python client: its own tests, in the language it is for, and that jobs can get it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExporterProcess } from '../../helpers/exporter-process.js';

const CLIENT = fileURLToPath(new URL('../../../exporter/jobs/xe_exporter_jobs.py', import.meta.url));
const ENV = { ...process.env, XE_TEST_PYTHON_CLIENT: CLIENT, PYTHONDONTWRITEBYTECODE: '1' };
const found = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']);
const skip = found.status === 0 ? false : 'needs python3, 3.9 or newer';

describe('the Python client', { skip }, () => {
  it('passes its tests', async () => {
    const python = spawn('python3', ['-W', 'error', join('test/unit/jobs', 'test_client.py')], { env: ENV });
    const [said, [code]] = await Promise.all([text(python.stderr), once(python, 'exit')]);
    assert.equal(code, 0, said);
    assert.match(said, /^Ran \d\d tests/m);
  });

  it('asks the exporter itself', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'python-client-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const socket = join(folder, 'jobs.sock');
    const exporter = await ExporterProcess.demo({ args: ['--demo-rate=10', `--jobs-socket=${socket}`] });
    t.after(() => exporter.stop('SIGKILL'));
    const state = exporter.log.find(({ msg }) => String(msg).includes("jobs' socket"));
    if (!existsSync(socket)) return t.skip(`no jobs' socket on this kernel: ${JSON.stringify(state)}`);
    const python = spawn('python3', ['-W', 'error', 'test/unit/jobs/ask_exporter.py', socket, CLIENT], { env: ENV });
    const [said, problems, [code]] = await Promise.all([
      text(python.stdout),
      text(python.stderr),
      once(python, 'exit'),
    ]);
    assert.equal(code, 0, problems);
    const { last, ...rest } = JSON.parse(said) as { last: [string, string] };
    const error = ['xe.vm.rebind_error', '0000:03:00.0', 'llama-finetune-0'];
    assert.deepEqual(rest, { told: error, heard: error, isAnother: true, devices: ['0000:03:00.0'] });
    // Whatever has happened to it by now.
    assert.match(last[0], /^(memory|hang|fault)$/);
    assert.equal(last[1], 'llama-finetune-0');
  });

  it('is written for Python 3.9', () => {
    const check = 'import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))';
    assert.equal(spawnSync('python3', ['-c', check, CLIENT]).status, 0);
  });
});

describe('GET /jobs/xe_exporter_jobs.py', () => {
  it('gives the file, as a download that no browser shows as a page', async (t) => {
    const exporter = await ExporterProcess.serve();
    t.after(() => exporter.stop('SIGKILL'));
    const response = await fetch(`${exporter.url}/jobs/xe_exporter_jobs.py`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/x-python; charset=utf-8');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.match(response.headers.get('content-disposition') ?? '', /^attachment/);
    assert.equal(await response.text(), readFileSync(CLIENT, 'utf8'));
    for (const path of ['/jobs/', '/jobs/../jobs/server.js', '/jobs/xe_exporter_jobs.py/', '/jobs/server.js']) {
      assert.equal((await fetch(`${exporter.url}${path}`)).status, 404, path);
    }
  });
});
