import assert from 'node:assert/strict';
import { it } from 'node:test';
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
