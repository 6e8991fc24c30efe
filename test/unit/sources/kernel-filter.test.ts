import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDefinition } from '../../../exporter/events/device-event.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import { vmRebindError } from '../../../exporter/events/definitions/vm-rebind-error.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { kernelFilter } from '../../../exporter/sources/watch-queue/kernel-filter.js';

const of = (type: number, subtype: number): EventDefinition => ({
  ...vmRebindError,
  wire: { type, subtype, minLength: 8 },
});

test('all events of today are VM errors and what always passes', () => {
  assert.deepEqual([...kernelFilter(eventDefinitions)], [2, 1]);
});

test('subtypes of one type are one entry; bit 31 is a bit like any other', () => {
  assert.deepEqual([...kernelFilter([of(2, 0), of(3, 4), of(2, 31), of(2, 0)])], [2, 0x80000001, 3, 16]);
});

test('subtypes past the kernel’s one word are not asked for', () => {
  assert.deepEqual([...kernelFilter([of(2, 32), of(2, 255)])], [2, 0]);
});

test('what is not on the wire is not asked for', () => {
  assert.deepEqual([...kernelFilter([vmRebindOutcome, of(2, 3)])], [2, 8]);
});

test('no wish is no event, not no filter', () => {
  assert.deepEqual([...kernelFilter([])], [2, 0]);
});
