import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogClock } from '../../../exporter/pipeline/decode/log-clock.js';

const SECOND = 1_000_000_000n;
const DAY = 86_400n * SECOND;

test('a line read late is as old as its stamp says', () => {
  const clock = new LogClock();
  assert.equal(clock.toMonotonic(60n * SECOND, 66n * SECOND), 60n * SECOND, 'also the first line');
  assert.equal(clock.toMonotonic(70n * SECOND, 70n * SECOND), 70n * SECOND);
  assert.equal(clock.toMonotonic(71n * SECOND, 75n * SECOND), 71n * SECOND);
});

for (const difference of [5n * SECOND, -5n * SECOND]) {
  test(`clocks that are ${difference / SECOND} s apart after ten days are put right`, () => {
    const clock = new LogClock();
    const promptly = 10n * DAY;
    assert.equal(clock.toMonotonic(promptly - difference, promptly), promptly);
    const printed = promptly + 60n * SECOND;
    assert.equal(
      clock.toMonotonic(printed - difference, printed + 3n * SECOND),
      printed + 6_300_000n,
      'and 100 ppm of 63 s',
    );
  });
}

test('a difference is learned again while the clocks drift on', () => {
  const clock = new LogClock();
  for (let day = 1n; day <= 30n; day++) {
    const now = day * DAY;
    const drift = now / 20_000n;
    assert.equal(clock.toMonotonic(now - drift, now), now);
  }
});

test('a stamp of the future is not believed, and no line was printed after it was read', () => {
  const clock = new LogClock();
  assert.equal(clock.toMonotonic(100n * SECOND, 10n * SECOND), 10n * SECOND);
  assert.equal(clock.toMonotonic(10n * SECOND + 1n, 10n * SECOND), 10n * SECOND);
});

test('old lines, read from the boot on, teach nothing', () => {
  const clock = new LogClock();
  for (const stamp of [1n, 2n, 500n]) assert.equal(clock.toMonotonic(stamp * SECOND, 900n * SECOND), stamp * SECOND);
});
