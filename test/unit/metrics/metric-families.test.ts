import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HistogramFamily } from '../../../exporter/metrics/engine/histogram-family.js';
import { CounterFamily, GaugeFamily } from '../../../exporter/metrics/engine/metric-families.js';

const values = async (family: CounterFamily | GaugeFamily) =>
  (await family.get()).values.map(({ labels, value }) => ({ labels, value }));

describe('CounterFamily', () => {
  it('is born at 0 and hands out the same cell for the same labels', async () => {
    const family = new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x', 'y'] });
    const cell = family.cell('1', '2');
    assert.deepEqual(await values(family), [{ labels: { x: '1', y: '2' }, value: 0 }]);
    assert.equal(family.cell('1', '2'), cell);
    cell.inc();
    cell.inc(2.5);
    assert.equal(family.cell('1', '2').value, 3.5);
  });

  it('without labels has its one series from the start', async () => {
    assert.deepEqual(await values(new CounterFamily({ name: 'a_total', help: 'A.' })), [{ labels: {}, value: 0 }]);
  });

  it('never falls', () => {
    const cell = new CounterFamily({ name: 'a_total', help: 'A.' }).cell();
    cell.inc(5);
    for (const wrong of [-1, -Number.MIN_VALUE, NaN, Infinity, -Infinity])
      assert.throws(() => cell.inc(wrong), RangeError);
    cell.inc(0);
    assert.equal(cell.value, 5);
  });

  it('tells label sets apart whatever their values hold', () => {
    const family = new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x', 'y'] });
    const sets: [string, string][] = [
      ['a', 'b,c'],
      ['a,b', 'c'],
      ['a"', ',"b'],
      ['', ''],
      ['a\u0000', 'b'],
      ['a', '\u0000b'],
      ['["a"', ']'],
    ];
    assert.equal(new Set(sets.map((set) => family.cell(...set))).size, sets.length);
  });

  it('takes two values that look the same on the wire for one', () => {
    const family = new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x'] });
    assert.equal(family.cell('a\uD800'), family.cell('a\uDC00'));
    assert.equal(family.cell('a\uD800').labels['x'], 'a\uFFFD');
    assert.equal(family.cell('\u{1F600}').labels['x'], '\u{1F600}');
  });

  it('refuses a wrong number of values', () => {
    const family = new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x'] });
    assert.throws(() => family.cell(), RangeError);
    assert.throws(() => family.cell('1', '2'), RangeError);
  });

  it('forgets a series that is removed; the next one of its labels starts at 0', async () => {
    const family = new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x'] });
    family.cell('1').inc(5);
    assert.equal(family.remove('1'), true);
    assert.equal(family.remove('1'), false);
    assert.deepEqual(await values(family), []);
    assert.equal(family.cell('1').value, 0);
  });

  it('refuses bad declarations', () => {
    for (const wrong of [
      { name: 'a', help: 'A.' },
      { name: 'a b_total', help: 'A.' },
      { name: 'a_total', help: 'no dot' },
      { name: 'a_total', help: 'A "quote".' },
      { name: 'a_total', help: 'Two\nlines.' },
      { name: 'a_total', help: 'A.', labels: ['x', 'x'] },
      { name: 'a_total', help: 'A.', labels: ['x-y'] },
      { name: 'a_total', help: 'A.', labels: ['le'] },
    ]) {
      assert.throws(() => new CounterFamily(wrong), RangeError, JSON.stringify(wrong));
    }
  });
});

describe('GaugeFamily', () => {
  it('sets and removes series', async () => {
    const family = new GaugeFamily({ name: 'a', help: 'A.', labels: ['x'] });
    family.cell('1').set(-2);
    family.cell('2').set(4);
    assert.equal(family.remove('1'), true);
    assert.equal(family.remove('1'), false);
    assert.deepEqual(await values(family), [{ labels: { x: '2' }, value: 4 }]);
  });

  it('refuses what is not finite', () => {
    const cell = new GaugeFamily({ name: 'a', help: 'A.' }).cell();
    for (const wrong of [NaN, Infinity, -Infinity]) assert.throws(() => cell.set(wrong), RangeError);
    assert.equal(cell.value, 0);
  });
});

describe('HistogramFamily', () => {
  const family = () => new HistogramFamily({ name: 'a_seconds', help: 'A.', labels: ['x'], buckets: [0.5, 1] });

  it('counts a value that is a bound below that bound', async () => {
    const histogram = family();
    const cell = histogram.cell('1');
    cell.observe(0);
    cell.observe(0.5);
    cell.observe(0.6, 3);
    cell.observe(1);
    cell.observe(7, 2);
    cell.observe(9, 0);
    const samples = (await histogram.get()).values.map(({ metricName, labels, value }) => [
      metricName,
      labels['le'],
      value,
    ]);
    assert.deepEqual(samples, [
      ['a_seconds_bucket', '0.5', 2],
      ['a_seconds_bucket', '1.0', 6],
      ['a_seconds_bucket', '+Inf', 8],
      ['a_seconds_sum', undefined, 0.5 + 0.6 * 3 + 1 + 14],
      ['a_seconds_count', undefined, 8],
    ]);
  });

  it('refuses what would make its sum fall or its counts no counts', () => {
    const cell = family().cell('1');
    for (const wrong of [-1, NaN, Infinity]) assert.throws(() => cell.observe(wrong), RangeError);
    for (const wrong of [-1, 0.5, NaN, Infinity]) assert.throws(() => cell.observe(1, wrong), RangeError);
    assert.deepEqual(cell.cumulative(), [0, 0, 0]);
  });

  it('refuses buckets that do not ascend', () => {
    for (const buckets of [[1, 1], [2, 1], [NaN], [1, Infinity]]) {
      assert.throws(() => new HistogramFamily({ name: 'a', help: 'A.', buckets }), RangeError);
    }
  });
});
