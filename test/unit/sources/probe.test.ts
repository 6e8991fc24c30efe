import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeResult } from '../../../exporter/native/binding.js';
import { pipeSupport, probeWatchIoctl, type WatchIoctlChoice } from '../../../exporter/sources/watch-queue/probe.js';
import { aDevice } from '../../helpers/events.js';

const EACCES = 13;
const EBUSY = 16;
const EINVAL = 22;
const ECANCELED = 125;

/** What a kernel answers to the numbers 0x0f, 0x10 and 0x11; EINVAL to those that are left out. */
type Kernel = Readonly<Record<number, Partial<ProbeResult>>>;

const PROOF: Partial<ProbeResult> = { attachErrno: 0, repeatErrno: EBUSY, removalSeen: true };

async function decide(kernel: Kernel, choice: WatchIoctlChoice = 'auto', device = aDevice()) {
  const asked: number[] = [];
  const support = await probeWatchIoctl(
    {
      probe: async (node, request, tag) => {
        assert.equal(node, '/devices/dri/renderD128');
        assert.notEqual(tag, 0);
        const nr = (request & 0xff) - 0x40;
        asked.push(nr);
        return { driver: 'xe', attachErrno: EINVAL, repeatErrno: 0, removalSeen: false, ...kernel[nr] };
      },
    },
    device,
    '/devices',
    choice,
  );
  return { ...support, asked };
}

test('the first revision: 0x0f, and nothing else is tried', async () => {
  const { request, state, asked } = await decide({ 0x0f: PROOF });
  assert.deepEqual([request, state, asked], [0x4010644f, 'active', [0x0f]]);
});

test('the second revision: 0x0f is another call, 0x11 is it, and VM_RESTART is never tried', async () => {
  const { request, state, asked } = await decide({ 0x11: PROOF, 0x10: { attachErrno: 2 } });
  assert.deepEqual([request, state, asked], [0x40106451, 'active', [0x0f, 0x11]]);
});

test('mainline 7.2 and older kernels: all numbers tried, none found, for good', async () => {
  const { request, state, retry, asked, reason, fix } = await decide({});
  assert.deepEqual([request, state, retry, asked], [undefined, 'unsupported', false, [0x0f, 0x11, 0x10]]);
  assert.match(reason, /0x0f, 0x11, 0x10/);
  assert.notEqual(fix, '');
});

for (const [what, answer] of Object.entries<Partial<ProbeResult>>({
  'attached, and attached again': { ...PROOF, repeatErrno: 0 },
  'attached, and EINVAL after': { ...PROOF, repeatErrno: EINVAL },
  'attached, and no removal': { ...PROOF, removalSeen: false },
  'attached and nothing more': { attachErrno: 0, repeatErrno: 0, removalSeen: false },
  'busy, not attached': { attachErrno: EBUSY, repeatErrno: EBUSY, removalSeen: true },
  'refused, with a removal from nowhere': { attachErrno: EINVAL, repeatErrno: EBUSY, removalSeen: true },
  'a permission refused': { attachErrno: EACCES },
})) {
  test(`half a proof is none: ${what}`, async () => {
    const { request, state, asked } = await decide({ 0x0f: answer, 0x10: answer, 0x11: answer });
    assert.deepEqual([request, state], [undefined, 'unsupported']);
    assert.deepEqual(asked, [0x0f, 0x11, 0x10]);
  });
}

test('a half proof does not hide a whole one', async () => {
  const { request } = await decide({ 0x0f: { ...PROOF, removalSeen: false }, 0x11: PROOF });
  assert.equal(request, 0x40106451);
});

test('a wedged device says nothing of its numbers and is asked again', async () => {
  const wedged = { attachErrno: ECANCELED };
  const { request, state, retry, reason, asked } = await decide({ 0x0f: wedged, 0x10: wedged, 0x11: wedged });
  assert.deepEqual([request, state, retry, asked], [undefined, 'unsupported', true, [0x0f]]);
  assert.match(reason, /wedged/);
});

for (const [errno, state] of [
  [EACCES, 'denied'],
  [1, 'denied'],
  [2, 'denied'], // ENOENT: not in our /dev
  [6, 'denied'], // ENXIO
  [19, 'denied'], // ENODEV
  [24, 'unsupported'], // EMFILE
] as const) {
  test(`a render node that cannot be opened (errno ${errno}) is ${state}, and asked again`, async () => {
    const result = await decide({ 0x0f: { failure: { operation: 'open', errno } } });
    assert.deepEqual([result.request, result.state, result.retry, result.asked], [undefined, state, true, [0x0f]]);
    assert.match(result.reason, /open of \/devices\/dri\/renderD128 failed with E/);
    assert.notEqual(result.fix, '');
  });
}

test('a number given by hand is the only one tried, and has to prove itself like any other', async () => {
  assert.deepEqual((await decide({ 0x10: PROOF }, '0x10')).asked, [0x10]);
  assert.equal((await decide({ 0x10: PROOF }, '0x10')).request, 0x40106450);
  const wrong = await decide({ 0x0f: PROOF }, '0x11');
  assert.deepEqual([wrong.request, wrong.state, wrong.asked], [undefined, 'unsupported', [0x11]]);
});

test('a device without a render node is not probed', async () => {
  const { request, state, reason, asked } = await decide({ 0x0f: PROOF }, 'auto', aDevice({ render: undefined }));
  assert.deepEqual([request, state, asked], [undefined, 'unsupported', []]);
  assert.match(reason, /0000:03:00\.0/);
});

test('why there are no notification pipes, in words', () => {
  const of = (errno: number) => pipeSupport({ operation: 'pipe2', errno });
  assert.match(of(65).reason, /CONFIG_WATCH_QUEUE.*ENOPKG/);
  assert.match(of(22).reason, /older than 5\.8/);
  assert.equal(of(1).state, 'denied');
  assert.match(of(25).reason, /QEMU/);
  assert.equal(of(24).retry, true);
  for (const errno of [65, 22, 1, 25, 24, 12, 23, 999]) {
    const { request, reason, fix, state } = of(errno);
    assert.equal(request, undefined);
    assert.notEqual(state, 'active');
    assert.ok(reason !== '' && fix !== '');
  }
});
