import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { waitFor } from './wait-for.js';

/** Makes what an exporter leaves behind that was killed: a socket that nobody serves. */
export async function leaveSocketBehind(path: string): Promise<void> {
  const child = spawn(process.execPath, ['-e', 'require("net").createServer().listen(process.argv[1])', path]);
  await waitFor(() => existsSync(path), { what: 'the socket', deadlineMs: 20_000 });
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.ok(statSync(path).isSocket());
}
