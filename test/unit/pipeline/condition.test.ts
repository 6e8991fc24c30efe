import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HEALTH_REASONS, type HealthReason, type HealthSignal } from '../../../exporter/events/device-health.js';
import {
  after,
  BOUND,
  nextChange,
  QUIET_MS,
  reasonAt,
  type Condition,
} from '../../../exporter/pipeline/health/condition.js';

const SEEN = Infinity;

/** What is said after each of these signals, at seconds, on GT 0 unless told otherwise; and at a later time. */
function said(signals: readonly (readonly [second: number, signal: HealthSignal, gt?: number])[], atSecond: number) {
  let condition = BOUND;
  for (const [second, signal, gt = 0] of signals) condition = after(condition, signal, gt, second * 1000);
  return reasonAt(condition, atSecond * 1000, SEEN);
}

describe('the condition of a device', () => {
  const table: readonly [
    what: string,
    signals: readonly (readonly [number, HealthSignal, number?])[],
    at: number,
    expected: HealthReason,
  ][] = [
    ['nothing happened', [], 1, 'ok'],
    ['a reset that has just started', [[1, 'reset_started']], 30, 'resetting'],
    ['a reset that does not end', [[1, 'reset_started']], 31, 'reset_stuck'],
    ['a reset that ends late after all', [[1, 'reset_started'], [90, 'reset_completed']], 90, 'ok'], // prettier-ignore
    ['attempts without a start', Array.from({ length: 50 }, (_, second) => [second, 'reset_needed', 1] as const), 50, 'reset_stuck'], // prettier-ignore
    ['another GT that completes', [[1, 'reset_needed', 1], [2, 'reset_started', 0], [3, 'reset_completed', 0]], 40, 'reset_stuck'], // prettier-ignore
    ['a failed reset', [[1, 'reset_started'], [2, 'reset_failed']], 3, 'reset_failed'], // prettier-ignore
    ['a failed reset that was repeated well', [[1, 'reset_failed'], [2, 'reset_started'], [3, 'reset_completed']], 4, 'ok'], // prettier-ignore
    ['two lines of one crash, and its reset', [[1, 'reset_needed'], [1, 'reset_needed'], [1, 'reset_started'], [2, 'reset_completed']], 2, 'ok'], // prettier-ignore
    ['faults that are echoes of the reset', [[1, 'reset_started'], [2, 'reset_completed'], [3, 'fault'], [4, 'fault'], [5, 'fault']], 6, 'ok'], // prettier-ignore
    ['faults that go on after the reset', [[1, 'reset_started'], [2, 'reset_completed'], [10, 'fault'], [20, 'fault']], 21, 'faults_go_on'], // prettier-ignore
    ['faults that have gone on, and nobody repaired it', [[1, 'reset_started'], [2, 'reset_completed'], [10, 'fault'], [20, 'fault']], 86_400, 'faults_go_on'], // prettier-ignore
    ['a fault long after the reset', [[1, 'reset_started'], [2, 'reset_completed'], [4_000, 'fault'], [4_010, 'fault']], 4_011, 'ok'], // prettier-ignore
    ['a fault now and then', [[1, 'fault'], [1_000, 'fault'], [2_000, 'fault']], 2_001, 'ok'], // prettier-ignore
    ['faults in a row', [[1, 'fault'], [100, 'fault'], [200, 'fault']], 201, 'faults_repeat'], // prettier-ignore
    ['faults in a row, long ago', [[1, 'fault'], [100, 'fault'], [200, 'fault']], 500, 'ok'], // prettier-ignore
    ['many lines of one fault', Array.from({ length: 40 }, (_, index) => [1 + index / 10, 'fault'] as const), 5, 'ok'],
    ['one grave fault', [[1, 'grave_fault']], 2, 'faults_repeat'],
    ['resets in a row', [[1, 'reset_started'], [2, 'reset_completed'], [20, 'reset_started'], [21, 'reset_completed'], [40, 'reset_started'], [41, 'reset_completed']], 42, 'faults_repeat'], // prettier-ignore
    ['wedged, and the lines that follow', [[1, 'reset_failed'], [1, 'wedged'], [2, 'fault'], [3, 'reset_completed']], 4, 'wedged'], // prettier-ignore
    ['off the bus, whatever follows', [[1, 'off_bus'], [2, 'not_started'], [3, 'wedged'], [4, 'survivability']], 5, 'off_bus'], // prettier-ignore
    ['wedged, then off the bus', [[1, 'wedged'], [2, 'off_bus']], 3, 'off_bus'], // prettier-ignore
  ];
  for (const [what, signals, at, expected] of table) {
    it(`says ${expected} of ${what}`, () => assert.equal(said(signals, at), expected));
  }

  it('says unknown while no source can tell, but for what is known for good', () => {
    const at = 100_000;
    const blind = (signal: HealthSignal) => reasonAt(after(BOUND, signal, 0, 1_000), at, 10_000);
    assert.equal(reasonAt(BOUND, at, 10_000), 'unseen');
    assert.equal(blind('reset_started'), 'unseen', 'it may have completed');
    assert.equal(blind('grave_fault'), 'unseen');
    assert.equal(blind('wedged'), 'wedged');
    assert.equal(blind('reset_failed'), 'reset_failed');
    assert.equal(reasonAt(after(BOUND, 'reset_started', 0, 1_000), at, 40_000), 'reset_stuck', 'seen to be stuck');
  });
});

const SIGNALS: readonly HealthSignal[] = [
  'fault',
  'grave_fault',
  'reset_needed',
  'reset_started',
  'reset_completed',
  'reset_failed',
  'wedged',
  'survivability',
  'off_bus',
  'not_started',
];
const STANDING: readonly string[] = ['wedged', 'survivability', 'off_bus', 'not_started'];

/** Any signals in any order, at times that never go back. */
const history = fc
  .array(fc.tuple(fc.constantFrom(...SIGNALS), fc.integer({ min: -1, max: 40 }), fc.nat(400_000)), { maxLength: 60 })
  .map((steps) => {
    let [condition, at]: [Condition, number] = [BOUND, 0];
    for (const [signal, gt, pause] of steps) condition = after(condition, signal, gt, (at += pause));
    return { condition, at, signals: steps.map(([signal]) => signal) };
  });

describe('any order of signals', () => {
  it('leads to one state, which is bad for good only where it has to be', () => {
    fc.assert(
      fc.property(history, ({ condition, at, signals }) => {
        const reason = reasonAt(condition, at, SEEN);
        assert.ok(reason in HEALTH_REASONS);
        const standing = signals.filter((signal) => STANDING.includes(signal));
        assert.equal(STANDING.includes(reason), standing.length > 0);
        // Every GT completes its reset, and nothing else happens: the device is well, unless something stands until the bind.
        const repaired = after(condition, 'reset_completed', -1, at);
        const later = reasonAt(repaired, at + QUIET_MS, SEEN);
        assert.equal(later, standing.length > 0 ? reason : 'ok');
      }),
    );
  });

  it('is looked at when something changes, and never for nothing', () => {
    fc.assert(
      fc.property(history, ({ condition, at: begin }) => {
        let looks = 0;
        for (let at = begin; at < Infinity; looks++) {
          const next = nextChange(condition, at);
          assert.ok(next > at);
          const until = next === Infinity ? at + 1e9 : next - 1;
          assert.equal(reasonAt(condition, until, SEEN), reasonAt(condition, at, SEEN), 'a change that nobody sees');
          at = next;
        }
        assert.ok(looks <= 20, `${looks} looks`);
      }),
    );
  });

  it('keeps a bounded number of resets, and a storm changes nothing', () => {
    fc.assert(
      fc.property(history, ({ condition, at }) => {
        assert.ok(condition.openResets.size <= 16);
        const once = after(condition, 'reset_needed', 3, at);
        assert.equal(after(once, 'reset_needed', 3, at + 1), once);
      }),
    );
  });
});
