import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PodIndex } from '../../../exporter/kubernetes/pods/pod-index.js';
import type { PodRecord } from '../../../exporter/kubernetes/pods/pod-record.js';

const record = (n: number, ids: readonly string[] = [], cgroupUid = `uid-${n}`): PodRecord => ({
  uid: `uid-${n}`,
  cgroupUid,
  namespace: 'ml',
  pod: `pod-${n}`,
  containers: new Map(ids.map((id) => [id, `c-${id}`])),
  onlyContainer: '',
});

describe('the pod index', () => {
  it('gives up the longest gone first, and a living pod never', () => {
    const index = new PodIndex({ maxPods: 3 });
    for (const n of [1, 2, 3]) index.put(record(n));
    index.remove('uid-2');
    index.remove('uid-1');
    assert.equal(index.put(record(4)), true);
    assert.equal(index.lookup({ podUid: 'uid-2', containerId: '' }), undefined);
    assert.ok(index.lookup({ podUid: 'uid-1', containerId: '' }));
    index.put(record(5));
    assert.equal(index.put(record(6)), false);
    assert.equal(index.refused, 1);
    for (const n of [3, 4, 5]) assert.ok(index.lookup({ podUid: `uid-${n}`, containerId: '' }));
    assert.equal(index.size, 3);
  });

  it('remembers so many containers of a pod that restarts for ever', () => {
    const index = new PodIndex();
    for (let n = 0; n < 1_000; n++) index.put(record(1, [`${n}`]));
    const known = Array.from({ length: 1_000 }, (_, n) => `${n}`).filter((containerId) =>
      index.lookup({ podUid: '', containerId }),
    );
    assert.equal(known.length, 256);
    assert.equal(known.at(-1), '999');
  });

  it('the mirror of a static pod that is made anew keeps the hash', () => {
    let now = 0;
    const index = new PodIndex({ retentionMs: 10, now: () => now });
    index.put(record(1, ['a'], 'hash'));
    index.remove('uid-1');
    index.put(record(2, ['a'], 'hash'));
    now = 20;
    assert.equal(index.lookup({ podUid: 'hash', containerId: 'a' })?.pod, 'pod-2');
    assert.equal(index.lookup({ podUid: '', containerId: 'a' })?.pod, 'pod-2');
  });

  it('a pod that is back is not gone', () => {
    let now = 0;
    const index = new PodIndex({ retentionMs: 10, now: () => now });
    index.put(record(1));
    index.replaceAll([]);
    index.put(record(1));
    now = 100;
    assert.ok(index.lookup({ podUid: 'uid-1', containerId: '' }));
  });

  it('does not grow with what has come and gone', () => {
    let now = 0;
    const index = new PodIndex({ maxPods: 50, retentionMs: 1_000, now: () => now });
    for (let n = 0; n < 20_000; n++, now++) {
      index.put(record(n, [`${n}`]));
      index.remove(`uid-${n}`);
      assert.ok(index.size <= 50);
    }
    now += 2_000;
    assert.equal(index.lookup({ podUid: 'uid-19999', containerId: '' }), undefined);
    assert.equal(index.size, 0);
  });

  it('property: it knows exactly the living and those gone within the retention', () => {
    const step = fc.record({
      kind: fc.constantFrom('put', 'remove', 'wait', 'list'),
      n: fc.integer({ min: 0, max: 2 }),
      list: fc.uniqueArray(fc.integer({ min: 0, max: 2 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const index = new PodIndex({ retentionMs: 10, now: () => now });
        const goneAt = new Map<number, number>();
        const leave = (n: number): void => {
          if (goneAt.get(n) === Infinity) goneAt.set(n, now);
        };
        for (const { kind, n, list } of steps) {
          if (kind === 'put') {
            index.put(record(n, [`${n}`]));
            goneAt.set(n, Infinity);
          } else if (kind === 'remove') {
            index.remove(`uid-${n}`);
            leave(n);
          } else if (kind === 'list') {
            index.replaceAll(list.map((m) => record(m, [`${m}`])));
            for (const m of goneAt.keys()) if (!list.includes(m)) leave(m);
            for (const m of list) goneAt.set(m, Infinity);
          } else now += 4;
          for (let m = 0; m <= 2; m++) {
            const known = (goneAt.get(m) ?? -Infinity) > now - 10;
            assert.equal(index.lookup({ podUid: `uid-${m}`, containerId: '' }) !== undefined, known);
            assert.equal(index.lookup({ podUid: '', containerId: `${m}` })?.pod, known ? `pod-${m}` : undefined);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
