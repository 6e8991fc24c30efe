import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EINTR, EIO, ENOBUFS, Listener, UEVENT } from './message-harness.js';

function uevent(sequence: number, ...keys: string[]): string {
  return ['change@/devices/x', 'ACTION=change', 'DEVPATH=/devices/x', ...keys, `SEQNUM=${sequence}`, ''].join('\0');
}

test('only what the kernel sent is kept, and only what is asked for', async (t) => {
  const listener = new Listener(t, { ...UEVENT, keep: ['\0SUBSYSTEM=drm\0', '\0DRIVER=xe\0'] });
  listener.post(uevent(1, 'SUBSYSTEM=drm', 'WEDGED=none'));
  listener.post(uevent(2, 'SUBSYSTEM=drm_dp_aux_dev'));
  listener.post(uevent(3, 'SUBSYSTEM=drm'), 4711);
  listener.post(uevent(4, 'SUBSYSTEM=pci', 'DRIVER=xe'));
  const { foreign, unwanted, missing } = await listener.settled({ read: 4, kept: 2 });
  assert.deepEqual(listener.messages, [
    uevent(1, 'SUBSYSTEM=drm', 'WEDGED=none'),
    uevent(4, 'SUBSYSTEM=pci', 'DRIVER=xe'),
  ]);
  assert.deepEqual({ foreign, unwanted, missing }, { foreign: 1, unwanted: 1, missing: 0 });
});

test('a full socket counts what it dropped, also while it was being emptied', async (t) => {
  const listener = new Listener(t, UEVENT);
  listener.reader.postError(ENOBUFS, 5);
  listener.post(uevent(1));
  await listener.settled({ kept: 1, lossNotices: 1, missing: 5 });
});

test('a drop that the kernel announces before it counts it is counted once', async (t) => {
  const listener = new Listener(t, UEVENT);
  /** The device counts drops without saying so: the interrupted read itself is repeated. */
  const dropQuietly = (drops: number) => listener.reader.postError(EINTR, drops);
  listener.reader.postError(ENOBUFS, 0);
  await listener.settled({ lossNotices: 1, missing: 1 });
  dropQuietly(1);
  listener.post(uevent(1));
  await listener.settled({ kept: 1, lossNotices: 1, missing: 1 });
  dropQuietly(3);
  await listener.settled({ lossNotices: 1, missing: 4 });
  listener.reader.postError(ENOBUFS, 0);
  await listener.settled({ lossNotices: 2, missing: 4 });
  listener.reader.postError(ENOBUFS, 2);
  await listener.settled({ lossNotices: 3, missing: 6 });
});

test('a gap between the numbers is no loss, nor is a message without one', async (t) => {
  const listener = new Listener(t, UEVENT);
  for (const sequence of [1000, 1001, 1005, 1003]) listener.post(uevent(sequence));
  for (const odd of ['', '\0SEQNUM=', '\0SEQNUM=x\0', '\0SEQNUM=99999999999999999999999\0']) listener.post(odd);
  await listener.settled({ kept: 8, missing: 0, lossNotices: 0 });
});

test('a message longer than any uevent is lost, not cut', async (t) => {
  const listener = new Listener(t, UEVENT);
  listener.post(uevent(1, 'x'.repeat(20_000)));
  listener.post(uevent(2, 'x'.repeat(20_000)), 4711);
  listener.post(uevent(3));
  await listener.settled({ read: 2, foreign: 1, kept: 1, missing: 1, lossNotices: 1 });
  assert.deepEqual(listener.messages, [uevent(3)]);
});

test('any other error ends the reader', async (t) => {
  const listener = new Listener(t, UEVENT);
  listener.reader.postError(EIO);
  const { failure } = await listener.settled({ read: 0 });
  assert.deepEqual(failure, { operation: 'read', errno: EIO });
});
