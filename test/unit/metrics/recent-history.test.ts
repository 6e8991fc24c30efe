import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HISTORY_MS, RecentHistory, type DeviceMoment } from '../../../exporter/metrics/recent-history.js';

const GPU = '0000:03:00.0';

function aHistory() {
  let now = 0;
  const moments = new Map<string, DeviceMoment>();
  return {
    moments,
    history: new RecentHistory(
      () => moments,
      () => now,
    ),
    pass: (ms: number) => void (now += ms),
  };
}

test('each step has the errors counted within it, and the last one ends now', () => {
  const { moments, history, pass } = aHistory();
  moments.set(GPU, { usedShare: 0.5, errors: [4, 0] });
  history.sample();
  pass(15_000);
  moments.set(GPU, { usedShare: undefined, errors: [6, 1] });
  history.sample();
  pass(5_000);
  moments.set(GPU, { usedShare: 0.75, errors: [7, 1] });
  assert.deepEqual(history.of(GPU), [
    { ageMs: 5_000, usedShare: undefined, errors: [2, 1] },
    { ageMs: 0, usedShare: 0.75, errors: [1, 0] },
  ]);
});

test('it goes back a quarter of an hour and no further, and forgets a device that is gone for so long', () => {
  const { moments, history, pass } = aHistory();
  moments.set(GPU, { usedShare: 0.5, errors: [0] });
  for (let step = 0; step < 1000; step++) {
    history.sample();
    pass(15_000);
  }
  const ages = history.of(GPU).map(({ ageMs }) => ageMs);
  assert.deepEqual([ages[0], ages.at(-1), ages.length], [HISTORY_MS, 0, HISTORY_MS / 15_000 + 1]);
  moments.clear();
  pass(HISTORY_MS);
  history.sample();
  assert.deepEqual(history.of(GPU), []);
});

test('a device that nobody knows has no history', () => {
  assert.deepEqual(aHistory().history.of(GPU), []);
});
