import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTraceHistograms } from '../../../exporter/wire/trace-histogram.js';
import { assertLinear } from '../../helpers/hostile-input.js';

/** Two triggers of one event, as Linux 7.3 prints them. */
const TEXT = `# event histogram
#
# trigger info: hist:keys=device_id:vals=hitcount,size:sort=hitcount:size=128 if a ~ "VRAM*" [active]
#

{ device_id: 0000:03:00.0                                       } hitcount:          2  size:    4194304
{ device_id: 0000:04:00.0                                       } hitcount:      61440  size: 128849018880

Totals:
    Hits: 61442
    Entries: 2
    Dropped: 0


# event histogram
#
# trigger info: hist:keys=device_id,common_pid:vals=hitcount,size:sort=hitcount:size=256 [active]
#

{ device_id: 0000:03:00.0                                      , common_pid:        191 } hitcount:          1  size:    2097152

Totals:
    Hits: 4
    Entries: 1
    Dropped: 3
`;

test('each trigger has its keys and sums', () => {
  const [first, second, ...more] = parseTraceHistograms(TEXT);
  assert.deepEqual(more, []);
  assert.match(first!.trigger, / if a ~ "VRAM\*" \[active\]$/);
  assert.deepEqual(
    first!.entries.map(({ keys, sums }) => [keys.get('device_id'), sums.get('hitcount'), sums.get('size')]),
    [
      ['0000:03:00.0', 2, 4_194_304],
      ['0000:04:00.0', 61_440, 128_849_018_880],
    ],
  );
  const [entry] = second!.entries;
  assert.deepEqual([entry!.keys.get('device_id'), entry!.keys.get('common_pid')], ['0000:03:00.0', '191']);
  assert.deepEqual([first!.dropped, second!.dropped], [0, 3]);
});

test('any text parses, in time that grows with it', () => {
  assert.deepEqual(parseTraceHistograms(''), []);
  fc.assert(
    fc.property(fc.string(), (text) => void parseTraceHistograms(`# trigger info: x\n{ ${text} } hitcount: 1`)),
  );
  for (const filler of ['{ ', ', ', ' } hitcount: ', '  a:', '\n']) {
    assertLinear(filler, (size) => {
      const text = `# trigger info: x\n{ a: ${filler.repeat(size / filler.length)} } hitcount: 1`;
      return () => void parseTraceHistograms(text);
    });
  }
});
