import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EXIT } from '../../exporter/errors.js';
import { documentedCommands, programsInContainer } from '../helpers/documented-commands.js';

const folder = mkdtempSync(join(tmpdir(), 'xe-commands-'));
symlinkSync(fileURLToPath(new URL('../../exporter/main.js', import.meta.url)), join(folder, 'xe-exporter'));
after(() => rmSync(folder, { recursive: true }));

/** What readers put in place of the words in capitals. */
const PLACES: Readonly<Record<string, string>> = { GPU: '0000:03:00.0', PID: String(process.pid) };

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `xe-exporter` from PATH, as its reader would, until it ends; one that stays is asked to stop at its first output. */
async function run(args: readonly string[]): Promise<Said> {
  const child = spawn('xe-exporter', args, {
    env: {
      ...process.env,
      PATH: `${folder}${delimiter}${process.env['PATH']}`,
      XE_EXPORTER_LISTEN_ADDRESS: '127.0.0.1:0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (data: Buffer) => {
      said[stream] += data.toString();
      if (args[0] !== 'doctor') child.kill('SIGTERM');
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

describe('what runbooks, alerts and notes tell to run', () => {
  const commands = documentedCommands();

  it('includes doctor, in each of the three', () => {
    const sources = commands.filter(({ args }) => args[0] === 'doctor').map(({ where }) => where);
    assert.ok(sources.some((where) => where.endsWith('.md')));
    assert.ok(sources.some((where) => where.endsWith('NOTES.txt')));
    assert.ok(sources.some((where) => /^Xe\w+$/.test(where)));
  });

  it('is in the container, where xe-exporter is the only program', () => {
    assert.deepEqual([...new Set(programsInContainer())], ['xe-exporter']);
  });

  for (const line of new Set(commands.map(({ args }) => args.join(' ')))) {
    it(`runs: xe-exporter ${line}`, async () => {
      const { code, stdout, stderr } = await run(
        line.replace(/\b[A-Z]+\b/g, (word) => PLACES[word] ?? word).split(' '),
      );
      // What a command finds is its own business; that it is refused is not.
      assert.ok(code !== EXIT.usage || stdout !== '', stderr);
      assert.notEqual(code, null, stderr);
      assert.notEqual(code, EXIT.failure, stderr);
    });
  }
});
