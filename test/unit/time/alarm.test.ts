import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Alarm } from '../../../exporter/time/alarm.js';
import { manualClock } from '../../helpers/manual-clock.js';

function start(t: TestContext) {
  const { now, ...clock } = manualClock(t);
  const begun = now();
  const rang: number[] = [];
  const late: number[] = [];
  const ring = () => void rang.push(now() - begun);
  return { ...clock, now, begun, rang, late, ring };
}

test('rings once, at the earliest deadline', (t) => {
  const { now, begun, advance, rang, ring } = start(t);
  const alarm = new Alarm(now, ring);
  alarm.setFor(begun + 400);
  alarm.setFor(begun + 200);
  alarm.setFor(begun + 800);
  assert.equal(alarm.set, true);
  advance(2_000);
  assert.deepEqual(rang, [200]);
  assert.equal(alarm.set, false);
});

test('is silent once it was cleared', (t) => {
  const { now, begun, advance, rang, ring } = start(t);
  const alarm = new Alarm(now, ring);
  alarm.setFor(begun + 400);
  alarm.clear();
  advance(2_000);
  assert.deepEqual([rang, alarm.set], [[], false]);
});

test('says how long the process did not run while a deadline was set', (t) => {
  const { now, begun, advance, stall, rang, late, ring } = start(t);
  const alarm = new Alarm(now, ring, (ms) => late.push(ms));
  alarm.setFor(begun + 1_000);
  advance(400);
  assert.deepEqual(late, []);
  stall(5_000);
  // The timer was set for 200 ms of it.
  assert.deepEqual([late, rang], [[4_800], [5_400]]);
});

test('takes no notice of what passes while no deadline is set', (t) => {
  const { now, advance, stall, late, ring } = start(t);
  const alarm = new Alarm(now, ring, (ms) => late.push(ms));
  alarm.setFor(now() + 200);
  advance(200);
  stall(5_000);
  alarm.setFor(now() + 200);
  advance(200);
  assert.deepEqual(late, []);
});
