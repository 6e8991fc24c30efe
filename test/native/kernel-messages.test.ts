import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { childProgram, runToEnd } from './child-process.js';
import { addon } from './harness.js';
import { EPERM, KMSG, Listener, makeMessageReader } from './message-harness.js';

const WRITER = new URL('../../../test/kernel/message-writer.c', import.meta.url).pathname;

/** A user and a network namespace of its own: nothing that is sent there reaches anybody else. */
const unshare = ['unshare', '--user', '--map-root-user', '--net'] as const;
const mayUnshare = spawnSync(unshare[0], [...unshare.slice(1), 'true']).status === 0;

describe('uevents of a namespace of its own', { skip: !mayUnshare && 'no user namespaces here' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-uevents-'));
  const writer = join(folder, 'message-writer');
  before(() => assert.equal(spawnSync('cc', ['-O2', '-o', writer, WRITER]).status, 0));
  after(() => rmSync(folder, { recursive: true }));

  const child = async (...args: string[]): Promise<unknown> => {
    const { code, output } = await runToEnd(...unshare, process.execPath, childProgram('uevents'), writer, ...args);
    assert.equal(code, 0, output);
    // Node or a sanitizer may have something to say of its own.
    return JSON.parse(output.split('\n').find((line) => line.startsWith('{')) ?? output);
  };

  test('what the kernel sends is read, what a process sends to the same group is not', async () => {
    const { messages, foreign, kept, missing } = (await child('few')) as Record<string, unknown>;
    assert.deepEqual({ foreign, kept, missing }, { foreign: 3, kept: 2, missing: 0 });
    const pattern = /^change@\/devices\/test\0SUBSYSTEM=drm\0WEDGED=none\0SEQNUM=\d+\0$/;
    for (const message of messages as string[]) assert.match(message, pattern);
  });

  test('more than the socket holds: read and lost add up to what was sent', async () => {
    const { sent, kept, missing, lossNotices } = (await child('flood')) as Record<string, number>;
    assert.equal(kept! + missing!, sent);
    assert.ok(missing! > 0 && lossNotices! > 0, `${missing} missing, ${lossNotices} notices`);
  });
});

function mayRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

test('the kernel log of this machine, without side effects', async (t) => {
  const options = { ...KMSG, backend: 'linux', sinceBoot: true, queueBytes: 8 << 20 } as const;
  const probe = makeMessageReader(options);
  const refused = mayRead(options.path) ? probe.open() : { operation: 'access', errno: EPERM };
  probe.close();
  if (refused) return t.skip(`${options.path} cannot be read here: ${JSON.stringify(refused)}`);

  const listener = new Listener(t, options);
  await waitFor(() => listener.messages.length > 0, { what: 'a record of the kernel' });
  for (const message of listener.messages) assert.match(message, /^[0-7],\d+,\d+,[^;]*;/);
  assert.equal(listener.reader.stats().failure, undefined);
});

test('the kernel log by syslog(2), or why not', async () => {
  const all = await addon.readKernelRing(16 << 20);
  if ('operation' in all) return assert.deepEqual(all, { operation: 'syslog', errno: EPERM });
  assert.ok(all.ringBytes >= 4096);
  assert.match(Buffer.from(all.text).toString('latin1'), /^(<\d+>.*\n)*$/);
  const few = await addon.readKernelRing(500);
  assert.ok('text' in few && few.text.length <= 500);
});
