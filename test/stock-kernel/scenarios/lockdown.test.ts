// A kernel in lockdown: integrity leaves tracing alone, confidentiality ends it.
import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { startGpu, TRACEFS } from '../guest-lib.js';

startGpu();
const lockdown = (level: string): void => writeFileSync('/sys/kernel/security/lockdown', level);

test('integrity: an instance can be made', () => {
  lockdown('integrity');
  mkdirSync(`${TRACEFS}/instances/scenario`);
  rmdirSync(`${TRACEFS}/instances/scenario`);
});

test('confidentiality: nothing can be opened', () => {
  lockdown('confidentiality');
  assert.throws(() => writeFileSync(`${TRACEFS}/dynamic_events`, '', { flag: 'a' }), { code: 'EPERM' });
});
