import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { TIMED_OUT, withDeadline } from '../../../exporter/time/deadline.js';

const never = new Promise<string>(() => undefined);

test('work in time gives its result, also a failure', async () => {
  assert.equal(await withDeadline(10_000, Promise.resolve('done')), 'done');
  await assert.rejects(withDeadline(10_000, Promise.reject(new Error('failed'))), /failed/);
});

test('late work is given up, at the deadline or by the signal', async () => {
  assert.equal(await withDeadline(1, never), TIMED_OUT);
  assert.equal(await withDeadline(-5, never), TIMED_OUT);
  const stop = new AbortController();
  const waiting = withDeadline(10_000, never, stop.signal);
  stop.abort();
  assert.equal(await waiting, TIMED_OUT);
});

test('nothing is left on the signal, and no timer keeps the process alive', async () => {
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i++) await withDeadline(60_000, Promise.resolve(), signal);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assert.equal(process.getActiveResourcesInfo().includes('Timeout'), false);
});

test('a failure after the deadline is nobody’s', async () => {
  let fail: (error: Error) => void = () => undefined;
  const work = new Promise<never>((_resolve, reject) => (fail = reject));
  assert.equal(await withDeadline(1, work), TIMED_OUT);
  fail(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
});
