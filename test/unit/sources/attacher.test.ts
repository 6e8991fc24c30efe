import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { BorrowRequest, NativeResult } from '../../../exporter/native/binding.js';
import { attachFailureReason } from '../../../exporter/sources/watch-queue/attach-failure.js';
import { encodeRemoval, encodeVmError } from '../../../exporter/wire/watch-notification.js';
import { WatchedNode, type WatchedNodeOptions } from '../../helpers/watched-node.js';
import { waitFor } from '../../helpers/wait-for.js';

/** A node whose attaches wait until the test answers them. */
async function startHeld(t: TestContext) {
  const held: { request: BorrowRequest; answer: (result: NativeResult) => void }[] = [];
  let over = false;
  // Before the source is stopped: that waits for the calls under way.
  t.after(() => {
    over = true;
    for (const { answer } of held) answer(undefined);
  });
  const node = await start(t, {
    borrow: (request) => new Promise((answer) => (over ? answer(undefined) : void held.push({ request, answer }))),
  });
  return { node, held };
}

async function start(t: TestContext, options: WatchedNodeOptions = {}): Promise<WatchedNode> {
  const node = await new WatchedNode(options).start();
  t.after(() => node.source.stop());
  return node;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a client that arrives is watched through its own fd', async (t) => {
  const { node, held } = await startHeld(t);
  const entry = node.arrive(7);
  assert.equal(held.length, 1);
  assert.deepEqual(held[0]!.request, {
    pid: 10_007,
    startTime: 7n,
    fd: 5,
    major: 226,
    minor: 128,
    pipe: 0,
    watchId: 0,
    request: 1,
  });
  held[0]!.answer(undefined);
  await waitFor(() => entry.watched, { what: 'the watch' });
  assert.deepEqual(node.failures, []);
});

test('two at once, oldest first, and none twice', async (t) => {
  const { node, held } = await startHeld(t);
  const entries = [1, 2, 3, 4, 5].map((id) => node.arrive(id));
  node.look(...entries);
  assert.deepEqual(
    held.map(({ request }) => request.pid),
    [10_001, 10_002],
  );
  held[1]!.answer(undefined);
  await waitFor(() => held.length === 3, { what: 'the next attach' });
  assert.equal(held[2]!.request.pid, 10_003);
  node.look(...entries);
  await turn();
  assert.equal(held.length, 3);
});

test('a removal read before the attach call returned: the client is gone, the id free only after the call', async (t) => {
  const { node, held } = await startHeld(t);
  const entry = node.arrive(1);
  const { pipe, watchId } = held[0]!.request;
  node.reader.post(pipe, encodeRemoval(watchId));
  await waitFor(() => node.clients.get(1) === undefined, { what: 'the client to leave' });
  const heir = node.arrive(2);
  assert.notEqual(held[1]!.request.watchId, watchId, 'the id is still in the hands of the call');
  held[0]!.answer(undefined);
  await turn();
  assert.equal(entry.watched, false);
  held[1]!.answer(undefined);
  await waitFor(() => heir.watched, { what: 'the second watch' });
  assert.deepEqual(node.clients.counts(node.device), { present: 1, watched: 1 });
  assert.equal(await idsUntilSeen(node, held, watchId), true, 'the id comes round again');
});

test('a client that leaves during its attach is not watched and not kept; its removal frees the id', async (t) => {
  const { node, held } = await startHeld(t);
  node.arrive(1);
  const { pipe, watchId } = held[0]!.request;
  node.look(); // it is in no process any more
  assert.equal(node.clients.get(1), undefined);
  held[0]!.answer(undefined);
  await turn();
  assert.deepEqual(node.clients.counts(node.device), { present: 0, watched: 0 });
  // Until the removal is read, what comes under this id is still that client's.
  node.reader.post(pipe, encodeVmError(watchId, 1, -12));
  node.reader.post(pipe, encodeRemoval(watchId));
  await waitFor(() => node.seen.length === 2, { what: 'both records' });
  assert.deepEqual(
    node.seen.map(({ owner }) => owner?.drmClientId),
    [1, 1],
  );
  assert.equal(await idsUntilSeen(node, held, watchId), true);
});

test('a failed attach gives its id back', async (t) => {
  const node = await start(t, { borrow: async () => ({ operation: 'pidfd_getfd', errno: 1 }) });
  for (let id = 0; id < 600; id++) node.arrive(id);
  await waitFor(() => node.failures.length === 600, { what: 'all to fail' });
  assert.equal(node.reader.open(32), 1, 'one pipe was enough: this is the second');
});

test('a failure counts once for a client and reason, and is tried again after 1, 2, 4, ... looks', async (t) => {
  let calls = 0;
  let errno = 1;
  const node = await start(t, { borrow: async () => (calls++, { operation: 'pidfd_getfd', errno }) });
  const entry = node.arrive(1);
  await turn();
  const lookedAt: number[] = [];
  for (let look = 1; look <= 140; look++) {
    const before = calls;
    node.look(entry);
    await turn();
    if (calls > before) lookedAt.push(look);
  }
  assert.deepEqual(lookedAt, [1, 3, 7, 15, 31, 63, 127]);
  assert.deepEqual(node.failures, ['denied']);
  errno = 11;
  for (let look = 0; look < 64; look++) node.look(entry);
  await turn();
  assert.deepEqual(node.failures, ['denied', 'limit'], 'another reason is news');
});

test('the back-off is bounded', async (t) => {
  let calls = 0;
  const node = await start(t, { borrow: async () => (calls++, { operation: 'watch', errno: 12 }) });
  const entry = node.arrive(1);
  for (let look = 0; look < 127; look++) {
    node.look(entry);
    await turn();
  }
  const before = calls;
  for (let look = 0; look < 640; look++) {
    node.look(entry);
    await turn();
  }
  assert.equal(calls - before, 10);
});

test('an attach that failed and then succeeds is as good as any', async (t) => {
  let refuse = true;
  const node = await start(t, {
    borrow: async (_request, real) => (refuse ? { operation: 'pidfd_getfd', errno: 1 } : real()),
  });
  const entry = node.arrive(1);
  await turn();
  assert.equal(node.features.all().find(({ feature }) => feature === 'watch_queue')?.state, 'denied');
  refuse = false;
  node.look(entry);
  await waitFor(() => entry.watched, { what: 'the watch' });
  assert.equal(node.features.all().find(({ feature }) => feature === 'watch_queue')?.state, 'active');
});

test('of several holders, one that left or denies us does not matter while another lets us', async (t) => {
  const asked: number[] = [];
  const node = await start(t, {
    borrow: async ({ pid }, real) => {
      asked.push(pid);
      if (pid === 1) return { operation: 'pidfd_open', errno: 3 };
      if (pid === 2) return { operation: 'pidfd_getfd', errno: 1 };
      return real();
    },
  });
  const holders = [1, 2, 3, 4].map((pid) => ({ ...node.fdOf(1), pid }));
  const entry = node.arrive(1, holders);
  await waitFor(() => entry.watched, { what: 'the watch' });
  assert.deepEqual(asked, [1, 2, 3]);
  assert.deepEqual(node.failures, []);
});

test('a denial is told even when later holders have left; a limit ends the search', async (t) => {
  const errnos = new Map([
    [1, 1],
    [2, 3],
    [3, 11],
    [4, 1],
  ]);
  const asked: number[] = [];
  const node = await start(t, {
    borrow: async ({ pid }) => (asked.push(pid), { operation: 'pidfd_getfd', errno: errnos.get(pid)! }),
  });
  node.arrive(
    1,
    [1, 2].map((pid) => ({ ...node.fdOf(1), pid })),
  );
  await waitFor(() => node.failures.length === 1, { what: 'the first to fail' });
  node.arrive(
    2,
    [3, 4].map((pid) => ({ ...node.fdOf(2), pid })),
  );
  await waitFor(() => node.failures.length === 2, { what: 'the second to fail' });
  assert.deepEqual(node.failures, ['denied', 'limit']);
  assert.deepEqual(asked, [1, 2, 3]);
});

test('a client whose files are gone is in doubt, so that its numbers are asked again', async (t) => {
  const node = await start(t, { borrow: async () => ({ operation: 'pidfd_getfd', errno: 9 }) });
  const suspected: number[] = [];
  node.clients.subscribe({ suspected: ({ client }) => suspected.push(client.drmClientId) });
  node.arrive(1);
  await turn();
  assert.deepEqual(suspected, [1]);
  assert.deepEqual(node.failures, ['gone']);
});

test('stop during an attach waits for it, starts none and delivers what came meanwhile', async (t) => {
  const { node, held } = await startHeld(t);
  node.arrive(1);
  for (const id of [2, 3, 4, 5]) node.arrive(id);
  let stopped = false;
  const stopping = node.source.stop().then(() => (stopped = true));
  await turn();
  assert.equal(stopped, false);
  const { pipe, watchId } = held[0]!.request;
  node.reader.post(pipe, encodeVmError(watchId, 1, -12));
  for (const { answer } of held) answer(undefined);
  await stopping;
  assert.equal(held.length, 2);
  assert.deepEqual(
    node.seen.map(({ owner }) => owner?.drmClientId),
    [1],
  );
});

test('every refusal has a reason', () => {
  const reasons = (operation: string, errnos: readonly number[]) =>
    errnos.map((errno) => attachFailureReason({ operation, errno }));
  assert.deepEqual(reasons('pidfd_getfd', [1, 13, 3, 9, 24, 23, 4, 22]), [
    'denied',
    'denied',
    'gone',
    'gone',
    'limit',
    'limit',
    'other',
    'other',
  ]);
  assert.deepEqual(reasons('watch', [16, 11, 12, 22, 125, 19, 2]), [
    'gone',
    'limit',
    'limit',
    'unsupported',
    'other',
    'other',
    'other',
  ]);
  assert.deepEqual(reasons('device', [19]), ['gone']);
  assert.deepEqual(reasons('identity', [3]), ['gone']);
});

/** Lets clients in until one gets `watchId`, at most once round. */
async function idsUntilSeen(
  node: WatchedNode,
  held: { request: BorrowRequest; answer: (result: NativeResult) => void }[],
  watchId: number,
): Promise<boolean> {
  for (let id = 1000; id < 1256; id++) {
    const count = held.length;
    const entry = node.arrive(id);
    await waitFor(() => held.length > count, { what: 'the attach' });
    const { request, answer } = held.at(-1)!;
    answer(undefined);
    await waitFor(() => entry.watched, { what: 'the watch' });
    if (request.pipe === 0 && request.watchId === watchId) return true;
  }
  return false;
}
