import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { DeviceRead, NativeFailure } from '../../exporter/native/binding.js';
import { dumpRequest, familyIn, familyRequest, parseMessages, textOf } from '../../exporter/wire/generic-netlink.js';
import {
  attribute,
  DONE,
  genericMessage,
  netlinkMessage,
  netlinkStatus,
  NLM_F,
  NLMSG,
  rasCounter,
  uint32,
} from '../helpers/netlink.js';
import { waitFor } from '../helpers/wait-for.js';
import { addon } from './harness.js';

const { EBADMSG, EIO, EINTR, EMSGSIZE, ENOBUFS, ENOENT, EPERM, ETIMEDOUT } = constants.errno;

type Answer = Uint8Array | NativeFailure;

async function readAll(reads: readonly DeviceRead[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  assert.equal(typeof addon.startReads(reads, (_, answer) => answers.push(answer)), 'function');
  await waitFor(() => answers.length === reads.length, { what: 'all answers' });
  return answers;
}

async function ask(request: Uint8Array, runtimeStatus = ''): Promise<Answer> {
  return (await readAll([{ kind: 'netlink', request, runtimeStatus, timeoutMs: 60_000 }]))[0]!;
}

const fake = (datagrams: readonly Uint8Array[], mostBytes = 4096, dump = true): DeviceRead => ({
  kind: 'fake_netlink',
  sequence: 1,
  dump,
  mostBytes,
  datagrams,
});

async function take(...datagrams: readonly Uint8Array[]): Promise<Answer> {
  return (await readAll([fake(datagrams)]))[0]!;
}

const sizeOf = (answer: Answer): number => {
  assert.ok(answer instanceof Uint8Array, JSON.stringify(answer));
  return answer.length;
};

const refused = (operation: string, errno: number): NativeFailure => ({ operation, errno });

test('the kernel names its families, one and all of them', async () => {
  const one = await ask(familyRequest('nlctrl'));
  assert.ok(one instanceof Uint8Array, JSON.stringify(one));
  assert.equal(familyIn(one), 0x10, 'GENL_ID_CTRL');

  const all = await ask(dumpRequest(0x10, 3, 2));
  assert.ok(all instanceof Uint8Array, JSON.stringify(all));
  assert.ok(parseMessages(all)?.some((attributes) => textOf(attributes, 2) === 'nlctrl'));
});

test('what the kernel refuses has its errno', async () => {
  assert.deepEqual(await ask(familyRequest('no-such-family')), refused('answer', ENOENT));
  // Of families that do not exist, the first 0x10 are of netlink itself.
  assert.deepEqual(await ask(dumpRequest(0x3ff, 1, 1)), refused('answer', ENOENT));
});

test('a sleeping device is not asked', async () => {
  const { pid } = process;
  assert.deepEqual(await ask(familyRequest('nlctrl'), `/proc/${pid}/comm`), {
    operation: 'asleep',
    errno: constants.errno.EAGAIN,
  });
});

test('a dump ends with its end, in however many parts', async () => {
  const counters = [rasCounter(1, 'core-compute', 7), rasCounter(3, 'device-memory', 9)];
  const whole = await take(Buffer.concat([...counters, DONE]));
  assert.deepEqual(whole, Buffer.concat(counters));
  assert.deepEqual(await take(counters[0]!, counters[1]!, DONE), whole);
  assert.deepEqual(await take(DONE), Buffer.alloc(0));
  assert.deepEqual(await take(...counters), refused('receive', ETIMEDOUT), 'without its end');
  assert.deepEqual(await take(Buffer.concat([DONE, counters[0]!])), Buffer.alloc(0), 'nothing comes after it');
});

test('one message that is no dump is the whole answer, padded', async () => {
  const odd = netlinkMessage(Buffer.from('12345'));
  const [whole, cut, two] = await readAll(
    [[odd], [odd.subarray(0, 21)], [odd, odd]].map((datagrams) => fake(datagrams, 4096, false)),
  );
  assert.equal(sizeOf(whole!), 24);
  assert.equal(sizeOf(cut!), 24, 'the last one need not be padded');
  assert.equal(sizeOf(two!), 24, 'nothing comes after it');
});

test('what the kernel reports ends it', async () => {
  const counter = rasCounter(1, 'core-compute', 7);
  const interrupted = genericMessage(2, [], { flags: NLM_F.MULTI | NLM_F.DUMP_INTR });
  const cases: readonly (readonly [Uint8Array, NativeFailure])[] = [
    [netlinkStatus(NLMSG.ERROR, -EPERM), refused('answer', EPERM)],
    [netlinkStatus(NLMSG.DONE, -EIO), refused('answer', EIO)],
    [interrupted, refused('dump', EINTR)],
    [netlinkMessage(uint32(0), { type: NLMSG.DONE, flags: NLM_F.MULTI | NLM_F.DUMP_INTR }), refused('dump', EINTR)],
    [netlinkMessage(Buffer.alloc(0), { type: NLMSG.OVERRUN }), refused('dump', ENOBUFS)],
  ];
  for (const [message, failure] of cases) {
    assert.deepEqual(await take(message), failure);
    assert.deepEqual(await take(Buffer.concat([counter, message])), failure, 'behind a good one');
  }
  assert.equal(sizeOf(await take(netlinkStatus(NLMSG.ERROR, 0))), 0, 'an acknowledgement');
});

test('messages for another request, and those without meaning, are passed over', async () => {
  const other = netlinkMessage(uint32(-EPERM), { type: NLMSG.ERROR, sequence: 2 });
  const nothing = netlinkMessage(Buffer.alloc(8), { type: NLMSG.NOOP });
  assert.equal(sizeOf(await take(Buffer.concat([other, nothing, DONE]))), 0);
});

test('lengths that lie are believed nowhere', async () => {
  const broken = refused('message', EBADMSG);
  const counter = rasCounter(1, 'core-compute', 7);
  for (const length of [0, 1, 15, counter.length + 1, 0x7fff_ffff, 0xffff_ffff]) {
    const lying = Buffer.from(counter);
    lying.writeUInt32LE(length, 0);
    assert.deepEqual(await take(lying), broken, String(length));
    assert.deepEqual(await take(Buffer.concat([counter, lying])), broken, String(length));
  }
  for (let size = 1; size < 16; size++) assert.deepEqual(await take(counter.subarray(0, size)), broken, String(size));
  for (const type of [NLMSG.ERROR, NLMSG.DONE]) {
    assert.deepEqual(await take(netlinkMessage(Buffer.alloc(3), { type })), broken, 'a cut errno');
    for (const status of [1, -4096, -0x8000_0000]) assert.deepEqual(await take(netlinkStatus(type, status)), broken);
  }
});

test('an answer has no more bytes than may be', async () => {
  const counter = rasCounter(1, 'core-compute', 7);
  const [fits, not] = await readAll([
    fake([counter, counter, DONE], 2 * counter.length),
    fake([counter, counter, DONE], 2 * counter.length - 1),
  ]);
  assert.equal(sizeOf(fits!), 2 * counter.length);
  assert.deepEqual(not, refused('message', EMSGSIZE));
});

test('whatever bytes come, there is an answer within its bounds, or a refusal', async () => {
  const good = Buffer.concat([
    rasCounter(1, 'core-compute', 7),
    genericMessage(2, [attribute(9, Buffer.from('abc'))]),
    netlinkStatus(NLMSG.ERROR, 0),
    DONE,
  ]);
  // A small generator of its own, so that a failure can be repeated: xorshift32.
  let state = 0x2545_f491;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const reads = Array.from({ length: 4_000 }, () => {
    const bytes = Buffer.from(good.subarray(0, random(good.length + 1)));
    for (let changes = random(6); changes > 0 && bytes.length > 0; changes--) bytes[random(bytes.length)] = random(256);
    const cut = random(bytes.length + 1);
    return fake([bytes.subarray(0, cut), bytes.subarray(cut)], 64);
  });
  for (const answer of await readAll(reads)) {
    if (answer instanceof Uint8Array) assert.ok(answer.length <= 64 && answer.length % 4 === 0);
    else assert.ok(['answer', 'dump', 'message', 'receive'].includes(answer.operation), answer.operation);
  }
});

test('arguments of a wrong kind are refused', () => {
  const given = { kind: 'netlink', request: Buffer.alloc(20), runtimeStatus: '', timeoutMs: 1 };
  for (const wrong of [{ request: 'text' }, { runtimeStatus: 1 }, { timeoutMs: 0 }, { timeoutMs: 600_001 }]) {
    assert.throws(() => addon.startReads([{ ...given, ...wrong } as DeviceRead], () => undefined), TypeError);
  }
  assert.throws(() => addon.startReads([{ ...fake([]), datagrams: 'x' } as unknown as DeviceRead], () => undefined), {
    name: 'TypeError',
    message: /datagrams must be an array/,
  });
});
