import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TokenBucket } from '../../../exporter/time/token-bucket.js';

it('a bucket lets a burst through and then one each interval', () => {
  const bucket = new TokenBucket({ intervalMs: 1000, burst: 3 });
  assert.deepEqual(
    [0, 0, 0, 0, 999, 1000, 1500, 2000].map((now) => bucket.take(now)),
    [true, true, true, false, false, true, false, true],
  );
  assert.deepEqual(
    [60_000, 60_000, 60_000, 60_000].map((now) => bucket.take(now)),
    [true, true, true, false],
  );
});

it('a bucket says when the next token is due', () => {
  const bucket = new TokenBucket({ intervalMs: 10, burst: 3 });
  const passed: number[] = [];
  for (let now = 0; now < 40; now++) {
    while (bucket.nextAt <= now) {
      assert.equal(bucket.take(now), true);
      passed.push(now);
    }
    assert.equal(bucket.take(now), false);
  }
  assert.deepEqual(passed, [0, 0, 0, 10, 20, 30]);
});
