import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCounters, parseNodes } from '../../exporter/wire/drm-ras.js';
import { familyIn, parseMessages } from '../../exporter/wire/generic-netlink.js';
import { assertLinear } from '../helpers/hostile-input.js';
import { attribute, genericMessage, rasCounter, rasNode } from '../helpers/netlink.js';

const BOUNDS = { interruptAfterTimeLimit: 6_000, numRuns: 4_000 };

const anAttribute = fc
  .tuple(fc.nat(6), fc.uint8Array({ maxLength: 12 }), fc.option(fc.nat(0xffff)))
  .map(([type, content, length]) => attribute(type, content, length ?? undefined));
const aMessage = fc
  .tuple(fc.array(anAttribute, { maxLength: 6 }), fc.option(fc.nat(300)))
  .map(([attributes, length]) => genericMessage(1, attributes, length === null ? {} : { length }));
const anAnswer = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc.array(aMessage, { maxLength: 5 }).map((messages) => Buffer.concat(messages)),
  fc
    .tuple(fc.array(aMessage, { maxLength: 5 }), fc.nat(400))
    .map(([messages, end]) => Buffer.concat(messages).subarray(0, end)),
);

test('any answer is understood within bounds or refused', () => {
  fc.assert(
    fc.property(anAnswer, (bytes) => {
      const messages = parseMessages(bytes);
      const [nodes, counters, family] = [parseNodes(bytes), parseCounters(bytes), familyIn(bytes)];
      assert.equal(nodes === undefined, messages === undefined);
      assert.equal(counters === undefined, messages === undefined);
      for (const { name } of nodes ?? []) assert.match(name, /^[\w-]{1,64}$/);
      for (const { error, value } of counters ?? []) {
        assert.match(error, /^[\w-]{1,64}$/);
        assert.ok(Number.isSafeInteger(value) && value >= 0 && value < 2 ** 32);
      }
      assert.ok(family === undefined || (family >= 0 && family < 2 ** 16));
    }),
    BOUNDS,
  );
});

test('what the kernel writes is read back, whatever stands before and behind it', () => {
  const name = fc.stringMatching(/^[a-z][a-z-]{0,30}$/);
  const number = fc.nat(0xffff_ffff);
  fc.assert(
    fc.property(number, name, number, name, aMessageOfOthers(), (id, device, value, error, other) => {
      const nodes = parseNodes(Buffer.concat([other, rasNode(id, device, error), other]));
      assert.deepEqual(nodes, [{ id, device, name: error }]);
      const counters = parseCounters(Buffer.concat([other, rasCounter(id, error, value), other]));
      assert.deepEqual(counters, [{ error, value }]);
    }),
    BOUNDS,
  );
});

/** Sound, and nothing that is known here. */
function aMessageOfOthers(): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength: 9 }).map((content) => genericMessage(3, [attribute(77, content)]));
}

test('the time is in proportion to the answer', () => {
  assertLinear('parseMessages', (size) => {
    const answer = Buffer.concat(Array.from({ length: size / 64 }, (_, id) => rasCounter(id, 'fabric', id)));
    return () => parseMessages(answer);
  });
});
