import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { BoundedMap } from '../../exporter/bounded-map.js';

it('a full map lets the key go that was set longest ago, and says which', () => {
  const map = new BoundedMap<string, number>(2);
  assert.equal(map.set('a', 1), undefined);
  assert.equal(map.set('b', 2), undefined);
  assert.equal(map.set('a', 3), undefined);
  assert.deepEqual(map.set('c', 4), ['b', 2]);
  assert.deepEqual(
    [...map],
    [
      ['a', 3],
      ['c', 4],
    ],
  );
  assert.deepEqual([map.size, map.has('b'), map.get('a'), map.delete('a'), map.size], [2, false, 3, true, 1]);
});

it('is a Map without what had to leave, whatever is set, deleted and cleared', () => {
  const step = fc.oneof(
    { weight: 60, arbitrary: fc.record({ set: fc.nat(12) }) },
    { weight: 30, arbitrary: fc.record({ delete: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 200 }), (most, steps) => {
      const map = new BoundedMap<number, number>(most);
      let model: [number, number][] = [];
      for (const [index, given] of steps.entries()) {
        if (given === 'clear') {
          map.clear();
          model = [];
        } else if ('set' in given) {
          model = [...model.filter(([key]) => key !== given.set), [given.set, index]];
          assert.deepEqual(map.set(given.set, index), model.length > most ? model.shift() : undefined);
        } else {
          assert.equal(
            map.delete(given.delete),
            model.some(([key]) => key === given.delete),
          );
          model = model.filter(([key]) => key !== given.delete);
        }
        assert.deepEqual([...map], model);
      }
    }),
  );
});

it('keeps nothing of what it has forgotten, whether it is full or never will be', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heap = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const small = new BoundedMap<number, number>(4096);
  const full = new BoundedMap<number, number>(8);
  const setAll = (count: number): void => {
    for (let n = 0; n < count; n++) {
      small.set(n % 6, n);
      // Lets a key go once, and then sets the same eight again and again.
      full.set(n < 9 ? n : 1 + (n % 8), n);
    }
  };
  setAll(50_000);
  const before = heap();
  setAll(500_000);
  assert.ok(heap() - before < 1024 * 1024, `${heap() - before} bytes more after a million sets`);
});
