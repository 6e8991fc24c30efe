import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fixturesEnding, eventsOf, parseRecord, recordsOf } from '../helpers/kernel-log.js';
import { GPU0, kernelLogNode } from '../helpers/kernel-log-node.js';

/** What the driver has said, without its prefix: the fixtures of all kernels. */
const SAID = fixturesEnding('.good.txt')
  .flatMap((path) => recordsOf(`${path}.good.txt`))
  .map((record) => ({ record, line: parseRecord(record) }))
  .filter(({ record, line }) => record.startsWith('<') && line?.fromXe && line.facility === 0)
  .map(({ record, line }) => ({
    message: line!.message,
    level: line!.level,
    names: eventsOf([record]).events.map(({ definition }) => definition.name),
  }));
const HARMLESS = SAID.filter(({ names }) => names.length === 0);
const NEWS = SAID.filter(({ names }) => names.length > 0);

/** What stands before a message: it differs with the kernel, with tiles and GTs, and with who prints. */
const prefix = fc
  .record({
    drm: fc.constantFrom('', '[drm] ', '[drm:xe_guc_exec_queue_reset_handler [xe]] ', '[drm:xe_gt_reset] '),
    error: fc.constantFrom('', '*ERROR* '),
    function: fc.constantFrom('', 'PF: ', 'VF: '),
    tile: fc.constantFrom('', 'Tile0: ', 'Tile1: ', 'Tile12: '),
    gt: fc.constantFrom('', 'GT0: ', 'GT1: ', 'GT12: '),
    order: fc.shuffledSubarray(['function', 'tile', 'gt'] as const, { minLength: 3 }),
  })
  .map((parts) => parts.drm + parts.error + parts.order.map((part) => parts[part]).join(''));

test('what the driver says means the same behind any prefix', () => {
  assert.ok(NEWS.length > 60 && HARMLESS.length > 60, `${NEWS.length} with a meaning, ${HARMLESS.length} without`);
  fc.assert(
    fc.property(fc.constantFrom(...SAID), prefix, ({ message, level, names }, before) => {
      const record = `<${level}>[   12.345678] xe ${GPU0.pciBdf}: ${before}${message}`;
      assert.deepEqual(
        eventsOf([record]).events.map(({ definition }) => definition.name),
        names,
        record,
      );
    }),
    { numRuns: 2_000 },
  );
});

test('no harmless line, behind any prefix and in any order, changes the state of a GPU or counts as a fault', (t) => {
  const { pipeline, say, healthOf, records } = kernelLogNode(t);
  pipeline.deviceAdded(GPU0);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...HARMLESS), prefix), { minLength: 1, maxLength: 40 }), (lines) => {
      for (const [{ message, level }, before] of lines) say(before + message, GPU0, level);
      assert.equal(healthOf()?.state, 'ok');
      assert.deepEqual(records, []);
    }),
    { numRuns: 200 },
  );
});
