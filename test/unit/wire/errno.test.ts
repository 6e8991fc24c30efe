import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoLabel, errnoName, errnoNumber, rebindErrorClass } from '../../../exporter/wire/errno.js';
import { ERRNO_LABELS } from '../../../exporter/names.js';

test('codes of the kernel and errnos have the same name', () => {
  for (const [number, name] of [
    [12, 'ENOMEM'],
    [28, 'ENOSPC'],
    [62, 'ETIME'],
    [16, 'EBUSY'],
    [14, 'EFAULT'],
    [105, 'ENOBUFS'],
    [7, 'E2BIG'],
    [61, 'ENODATA'],
    [125, 'ECANCELED'],
  ] as const) {
    assert.equal(errnoName(-number), name);
    assert.equal(errnoName(number), name);
    assert.equal(errnoNumber(name), number);
  }
});

test('of two names for one number the kernel’s own wins', () => {
  assert.equal(errnoName(-11), 'EAGAIN');
  assert.equal(errnoName(-95), 'EOPNOTSUPP');
});

test('the answer of a kernel without CONFIG_WATCH_QUEUE has a name, although Node has none', () => {
  assert.equal(errnoName(65), 'ENOPKG');
  assert.equal(errnoNumber('ENOPKG'), 65);
});

test('any number at all has a name, a label and a class', () => {
  for (let code = -600; code <= 600; code++) {
    assert.match(errnoName(code), /^(E[A-Z0-9]+|errno \d+)$/);
    assert.ok((ERRNO_LABELS as readonly string[]).includes(errnoLabel(code)));
    assert.ok(['memory', 'timeout', 'host-memory', 'internal'].includes(rebindErrorClass(code)));
  }
  assert.equal(errnoName(-2_147_483_648), 'errno 2147483648');
  assert.equal(errnoNumber('ENOSUCH'), undefined);
});

test('memory, time-outs, host memory and the rest are never lumped', () => {
  const classes = Object.fromEntries(
    [-12, -28, -62, -16, -14, -22, -999].map((code) => [code, rebindErrorClass(code)]),
  );
  assert.deepEqual(classes, {
    '-12': 'memory',
    '-28': 'memory',
    '-62': 'timeout',
    '-16': 'host-memory',
    '-14': 'host-memory',
    '-22': 'internal',
    '-999': 'internal',
  });
});

test('the label is bounded', () => {
  assert.deepEqual([-12, -28, -62, -16, -14, -999].map(errnoLabel), [
    'ENOMEM',
    'ENOSPC',
    'ETIME',
    'EBUSY',
    'other',
    'other',
  ]);
});
