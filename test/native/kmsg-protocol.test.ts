import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../helpers/wait-for.js';
import { range } from './harness.js';
import { EAGAIN, EINVAL, ENODEV, EPIPE, KMSG, Listener } from './message-harness.js';

test('the kernel’s records arrive whole and in order, those of user space do not', async (t) => {
  const listener = new Listener(t, KMSG);
  listener.log(7, 'xe 0000:03:00.0: one\n SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.0\n', 4);
  listener.log(8, 'xe 0000:03:00.0: forged\n', 14);
  listener.log(9, 'forged, too\n', 8);
  listener.log(10, 'two\n', 7);
  const { read, foreign, unwanted, kept, missing, lossNotices } = await listener.settled({ read: 4 });
  assert.deepEqual(listener.messages, [
    '4,7,1000,-;xe 0000:03:00.0: one\n SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.0\n',
    '7,10,1000,-;two\n',
  ]);
  assert.deepEqual(
    { read, foreign, unwanted, kept, missing, lossNotices },
    {
      read: 4,
      foreign: 2,
      unwanted: 0,
      kept: 2,
      missing: 0,
      lossNotices: 0,
    },
  );
});

test('only records with one of the strings are kept', async (t) => {
  const listener = new Listener(t, { ...KMSG, keep: ['xe ', '[TTM]', 'DEVICE=+pci'] });
  const kept = ['xe 0000:03:00.0: x\n', '[TTM] y\n', 'nvme: z\n DEVICE=+pci:0000:00:01.0\n'];
  const others = ['usb 1-1: x\n', 'xe', '[TTM', '', 'DEVICE=+pc'];
  [...others, ...kept, ...others].forEach((text, index) => listener.log(index, text));
  const { unwanted } = await listener.settled({ kept: 3 });
  assert.deepEqual(
    listener.messages,
    kept.map((text, index) => `6,${index + 5},1000,-;${text}`),
  );
  await waitFor(() => listener.reader.stats().read === 13, { what: 'the rest' });
  assert.ok(unwanted >= 5);
  assert.equal(listener.reader.stats().unwanted, 10);
});

test('what is missing is counted by sequence numbers, in records of anybody', async (t) => {
  const listener = new Listener(t, { ...KMSG, keep: ['xe '] });
  listener.log(100, 'xe 1');
  listener.reader.postError(EPIPE);
  listener.log(150, 'other'); // 101..149
  listener.log(151, 'other', 12);
  listener.reader.postError(EPIPE);
  listener.log(153, 'forged', 12); // 152
  listener.log(160, 'xe 2'); // 154..159, without notice
  await listener.settled({ read: 5, missing: 49 + 1 + 6, lossNotices: 2, kept: 2 });
});

test('a loss is told although nothing is kept after it', async (t) => {
  const listener = new Listener(t, { ...KMSG, keep: ['xe '] });
  listener.log(1, 'other');
  listener.reader.postError(EPIPE);
  listener.log(5, 'other');
  await listener.settled({ missing: 3, lossNotices: 1 });
  assert.deepEqual(listener.messages, []);
});

test('a loss before the first record, and one that no record explains, are one at the least', async (t) => {
  const listener = new Listener(t, KMSG);
  listener.reader.postError(EPIPE);
  listener.log(50, 'first');
  await listener.settled({ missing: 1 });
  listener.reader.postError(EPIPE);
  await listener.settled({ missing: 2, lossNotices: 2 });
  listener.log(61, 'later'); // 51..60, of which one has been counted
  await listener.settled({ missing: 11 });
  listener.log(62, 'next');
  await listener.settled({ kept: 3, missing: 11 });
});

test('a record that does not fit the buffer is passed over, counted, and does not loop', async (t) => {
  const listener = new Listener(t, KMSG);
  listener.log(1, 'x');
  for (const sequence of range(2, 100)) {
    listener.reader.postError(EINVAL);
    listener.log(sequence + sequence - 1, 'x');
  }
  await listener.settled({ kept: 101, lossNotices: 100, missing: 100 });
});

test('a device that only refuses is given up', async (t) => {
  const listener = new Listener(t, KMSG);
  for (let i = 0; i < 100; i++) listener.reader.postError(EINVAL);
  await listener.settled({ lossNotices: 16 });
  await waitFor(() => listener.seen?.failure, { what: 'the failure' });
  assert.deepEqual(listener.seen?.failure, { operation: 'read', errno: EINVAL });
});

test('a failure ends the reader and is told once, behind everything that came before', async (t) => {
  const listener = new Listener(t, KMSG);
  listener.log(1, 'before');
  listener.reader.postError(ENODEV);
  listener.log(2, 'after');
  await waitFor(() => listener.seen?.failure, { what: 'the failure' });
  assert.deepEqual(listener.seen?.failure, { operation: 'read', errno: ENODEV });
  assert.deepEqual(listener.messages, ['6,1,1000,-;before']);
  const { calls } = listener;
  listener.log(3, 'later');
  listener.reader.close();
  assert.deepEqual([listener.calls, listener.reader.stats().read], [calls, 1]);
  assert.deepEqual(listener.reader.stats().failure, { operation: 'read', errno: ENODEV });
});

test('a wake-up without anything to read is nothing', async (t) => {
  const listener = new Listener(t, KMSG);
  for (let i = 0; i < 10; i++) listener.reader.postError(EAGAIN);
  listener.log(1, 'x');
  assert.equal((await listener.settled({ kept: 1 })).missing, 0);
});

test('bytes in no known form are not the kernel’s', async (t) => {
  const listener = new Listener(t, KMSG);
  const hostile = [
    '',
    ',',
    ';',
    '6',
    '6,',
    '6,1',
    '-6,1,',
    '6,-1,',
    ' 6,1,',
    '6;1,',
    '99999999999999999999,1,',
    '6,1;',
    '\0',
  ];
  for (const bytes of hostile) listener.post(bytes);
  listener.post('6,18446744073709551615,1,-;the last number there is');
  listener.post('6,0,1,-;and from the start');
  const { foreign, kept, missing } = await listener.settled({ read: hostile.length + 2 });
  assert.deepEqual({ foreign, kept, missing }, { foreign: hostile.length, kept: 2, missing: 0 });
});
