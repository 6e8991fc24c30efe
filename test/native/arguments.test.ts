import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addon, makeReader } from './harness.js';

// Wrong types on purpose, which the compiler would refuse.
/* eslint-disable @typescript-eslint/no-explicit-any */
const untyped: any = addon;

const notNumbers = [undefined, null, 'a', {}, [], 1n, -1, 1.5, NaN, Infinity, 2 ** 32, Symbol('s'), () => 0];
const options = { backend: 'fake', queueBytes: 4096, onReady: () => {} };
const request = { pid: 1, startTime: 1n, fd: 0, major: 1, minor: 3, pipe: 0, watchId: 0, request: 0 };

function refuses(call: () => unknown, message: RegExp): void {
  assert.throws(call, (error) => error instanceof TypeError && message.test(error.message));
}

test('Reader wants complete options', () => {
  for (const nothing of [undefined, null, 1, 'x']) refuses(() => new untyped.Reader(nothing), /options must be/);
  refuses(() => new untyped.Reader({ ...options, backend: 'windows' }), /backend must be 'linux' or 'fake'/);
  refuses(() => new untyped.Reader({ ...options, onReady: {} }), /onReady must be a function/);
  for (const size of [...notNumbers, 0, 2 ** 30 + 1]) {
    refuses(() => new untyped.Reader({ ...options, queueBytes: size }), /queueBytes must be/);
  }
  assert.throws(() => untyped.Reader(options), /without 'new'|Class constructor/);
});

test('an exception from an option’s getter passes through', () => {
  const failing = Object.defineProperty({ ...options }, 'queueBytes', {
    get: () => {
      throw new RangeError('from the getter');
    },
  });
  assert.throws(() => new untyped.Reader(failing), /from the getter/);
});

test('methods name the argument that is wrong', (t) => {
  const reader: any = makeReader();
  t.after(() => reader.close());
  reader.open(32);
  for (const wrong of notNumbers) {
    refuses(() => reader.open(wrong), /^records must be/);
    refuses(() => reader.post(wrong, new Uint8Array()), /^pipe must be/);
    refuses(() => reader.setFilter(wrong, new Uint32Array()), /^pipe must be/);
    for (const field of ['pid', 'fd', 'major', 'minor', 'pipe', 'watchId', 'request']) {
      refuses(() => reader.borrow({ ...request, [field]: wrong }), new RegExp(`^request.${field} must be`));
    }
  }
  for (const wrong of [1, undefined, -1n, 1n << 64n]) {
    refuses(() => reader.borrow({ ...request, startTime: wrong }), /^request.startTime must be/);
  }
  for (const wrong of [undefined, [], new ArrayBuffer(8), new Uint16Array(8), new DataView(new ArrayBuffer(8))]) {
    refuses(() => reader.post(0, wrong), /^bytes must be a Uint8Array/);
    refuses(() => reader.setFilter(0, wrong), /^filters must be a Uint32Array/);
    refuses(() => reader.drain(wrong), /^target must be a Uint8Array/);
  }
  refuses(() => reader.setFilter(0, new Uint32Array(3)), /^filters must be pairs/);
  refuses(() => reader.drain(new Uint8Array(addon.minDrainBytes - 1)), /^target must hold at least/);
  refuses(() => reader.open.call({}), /./);
});

test('functions of the addon name the argument that is wrong', () => {
  refuses(() => untyped.probe(1, 1, 1), /^renderNode must be/);
  refuses(() => untyped.probe('x', 'y', 1), /^request must be/);
  refuses(() => untyped.scanDrmFds('/proc', -1, new Uint32Array()), /^major must be/);
  refuses(() => untyped.scanDrmFds('/proc', 1, [1]), /^minors must be/);
  refuses(() => untyped.canBorrow(), /^request must be/);
  refuses(() => untyped.raiseFdLimit(), /^atLeast must be/);
});

test('a detached buffer is an empty one', (t) => {
  const reader = makeReader();
  t.after(() => reader.close());
  reader.open(32);
  const buffer = new Uint8Array(addon.minDrainBytes);
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
  refuses(() => reader.drain(buffer), /^target must hold at least/);
  assert.equal(reader.post(0, buffer), 0);
});
