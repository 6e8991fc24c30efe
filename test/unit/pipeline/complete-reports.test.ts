import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CompleteReports } from '../../../exporter/pipeline/incidents/complete-reports.js';

test('the oldest report within the window that may be of the client is found, and taken once', () => {
  const reports = new CompleteReports();
  for (const [at, client] of [
    [1_000, 7],
    [1_001, 8],
    [1_002, -1],
    [9_000, 7],
  ] as const)
    reports.add(at, client);
  assert.equal(reports.find(1_000, 2_000, 8), 1_001);
  assert.equal(reports.find(1_000, 2_000, -1), 1_000, 'an unknown client may be any');
  assert.equal(reports.find(1_000, 2_000, 9), 1_002, 'a report without a client may be of any');
  assert.equal(reports.find(5_000, 2_000, 7), undefined);
  reports.take(1_000, 2_000, 8);
  assert.deepEqual([reports.length, reports.find(1_000, 2_000, 8)], [3, 1_002]);
  reports.forgetBefore(1_500);
  assert.deepEqual([reports.length, reports.find(9_000, 0, -1)], [1, 9_000]);
});

test('it does as a plain list does, and beyond its bound forgets the oldest', () => {
  const BOUND = 4_096;
  const step = fc.oneof(
    fc.record({
      what: fc.constant('add' as const),
      times: fc.nat({ max: 3_000 }),
      client: fc.integer({ min: -1, max: 3 }),
    }),
    fc.record({
      what: fc.constant('take' as const),
      back: fc.nat({ max: 5_000 }),
      client: fc.integer({ min: -1, max: 3 }),
    }),
    fc.record({ what: fc.constant('forget' as const), back: fc.nat({ max: 5_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const reports = new CompleteReports();
      let list: { at: number; client: number }[] = [];
      let now = 0;
      for (const each of steps) {
        if (each.what === 'add') {
          for (let i = 0; i < each.times; i++) {
            reports.add(++now, each.client);
            list.push({ at: now, client: each.client });
          }
          list = list.slice(-BOUND);
        } else if (each.what === 'take') {
          const fits = ({ at, client }: (typeof list)[number]) =>
            Math.abs(at - (now - each.back)) <= 10 && (client === each.client || client === -1 || each.client === -1);
          const index = list.findIndex(fits);
          assert.equal(reports.find(now - each.back, 10, each.client), list[index]?.at);
          reports.take(now - each.back, 10, each.client);
          if (index >= 0) list.splice(index, 1);
        } else {
          reports.forgetBefore(now - each.back);
          list = list.filter(({ at }) => at >= now - each.back);
        }
        assert.equal(reports.length, list.length);
      }
    }),
    { numRuns: 50 },
  );
});
