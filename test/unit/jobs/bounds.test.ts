// What jobs that mean harm, or do not care, can cost: real processes, each in the cgroup of a pod of its own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { XeClient } from '../../../exporter/clients/client.js';
import { cgroupRoot, makeCgroup } from '../../helpers/cgroups.js';
import { aClient, anEvent, aWorkload } from '../../helpers/events.js';
import { serveJobs, type ServedJobs } from '../../helpers/jobs-socket.js';
import { SocketFlood } from '../../helpers/socket-flood.js';
import { SocketPeer } from '../../helpers/socket-peer.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const skip = cgroupRoot === undefined && 'needs root: a cgroup2 that this user may write to';

const ASK_LAST = 'GET /last HTTP/1.1\r\nHost: x\r\n\r\n';
const ASK_EVENTS = 'GET /events HTTP/1.1\r\nHost: x\r\n\r\n';
const MEBIBYTE = 1024 * 1024;

interface Pod {
  readonly cgroup: string;
  readonly client: XeClient;
}

function aPod(t: Pick<TestContext, 'after'>): Pod {
  const uid = randomUUID();
  const workload = aWorkload({ podUid: uid, owner: `pod:${uid}` });
  return { cgroup: makeCgroup(t, `kubepods/pod${uid}/${'c'.repeat(64)}`), client: aClient({ workload }) };
}

/** A unit that a user's own systemd runs. */
function aUnitOfUser(t: Pick<TestContext, 'after'>, uid: number): string {
  return makeCgroup(t, `user.slice/user-${uid}.slice/user@${uid}.service/app.slice/x${randomUUID()}.service`);
}

function publish({ sink }: ServedJobs, { client }: Pod, count: number): void {
  for (let index = 1; index <= count; index++) sink.accept(anEvent({ client, sequence: index, vmId: index }));
}

/** A job that does nothing wrong asks, and gets its answer. */
async function isAnswered(t: Pick<TestContext, 'after'>, { path }: ServedJobs): Promise<void> {
  const { cgroup } = aPod(t);
  const peer = await inTime(new SocketPeer(t, path, { path: '/last', cgroup }).answered(), 'a rightful answer');
  assert.equal(peer.status, 200, peer.body);
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that are in use, whoever allocated them. */
function inUse(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('a reader that never reads', { skip }, () => {
  it('costs a bounded amount of memory and is dropped once the events have moved past it', async (t) => {
    const served = await serveJobs(t, { burst: 20_000 });
    const [unread, other] = [aPod(t), aPod(t)];
    const flood = new SocketFlood(t, served.path, {
      connections: 4,
      bytes: ASK_EVENTS,
      manners: ['unread'],
      cgroup: unread.cgroup,
    });
    const reader = await new SocketPeer(t, served.path, { cgroup: other.cgroup }).streaming();
    await waitFor(() => served.counted.subscribers === 5, { what: 'five streams', deadlineMs: 20_000 });
    const before = inUse();
    let most = 0;
    for (let thousand = 1; thousand <= 10; thousand++) {
      publish(served, unread, 1000);
      publish(served, other, 10);
      await turn();
      most = Math.max(most, inUse() - before);
    }
    await isAnswered(t, served);
    await waitFor(() => reader.events.length === 100, { what: 'all events of the other', deadlineMs: 20_000 });
    await waitFor(() => served.counted.slow === 4, { what: 'four dropped streams', deadlineMs: 20_000 });
    assert.equal(served.counted.subscribers, 1);
    assert.equal(flood.state.closed, 0, 'it has not noticed: it reads nothing');
    // 10,000 events are 12 MiB, and 48 MiB for four readers. Kept are 2 MiB, and 48 KiB for each reader.
    assert.ok(most < 8 * MEBIBYTE, `${most} bytes more in use`);
  });

  it('is dropped after a while also where nothing has moved past it', async (t) => {
    const served = await serveJobs(t, { streamLimits: { heartbeatMs: 20, stallMs: 200 } });
    const [unread, other] = [aPod(t), aPod(t)];
    new SocketFlood(t, served.path, { bytes: ASK_EVENTS, manners: ['unread'], cgroup: unread.cgroup });
    const reader = await new SocketPeer(t, served.path, { cgroup: other.cgroup }).streaming();
    await waitFor(() => served.counted.subscribers === 2, { what: 'two streams', deadlineMs: 20_000 });
    publish(served, unread, 1000);
    publish(served, other, 10);
    await waitFor(() => served.counted.slow === 1, { what: 'the stream to be dropped', deadlineMs: 20_000 });
    assert.equal(served.counted.subscribers, 1);
    await waitFor(() => reader.events.length === 10, { what: 'the events of the other', deadlineMs: 20_000 });
  });

  it('is dropped also when its events had to make room for those of others', async (t) => {
    const served = await serveJobs(t, { feeds: { workloads: 1 }, streamLimits: { heartbeatMs: 20, stallMs: 200 } });
    const [unread, other] = [aPod(t), aPod(t)];
    new SocketFlood(t, served.path, { bytes: ASK_EVENTS, manners: ['unread'], cgroup: unread.cgroup });
    await waitFor(() => served.counted.subscribers === 1, { what: 'the stream', deadlineMs: 20_000 });
    publish(served, unread, 1000);
    await turn();
    publish(served, other, 1);
    await waitFor(() => served.counted.subscribers === 0, { what: 'the stream to be dropped', deadlineMs: 20_000 });
    await isAnswered(t, served);
  });
});

describe('many connections', { skip }, () => {
  it('at once from 64 ranks of a job get 64 answers', async (t) => {
    const served = await serveJobs(t);
    const { cgroup } = aPod(t);
    const flood = new SocketFlood(t, served.path, { connections: 64, bytes: ASK_LAST, cgroup });
    const { answers } = await flood.until(({ closed }) => closed === 64, 'all connections to end');
    assert.deepEqual(answers, { 200: 64 });
    assert.deepEqual([served.counted.answered, served.counted.refused], [64, 0]);
  });

  it('at once are served up to a number for each pod, the rest is closed, and each is counted once', async (t) => {
    const served = await serveJobs(t);
    const { cgroup } = aPod(t);
    const flood = new SocketFlood(t, served.path, { connections: 400, bytes: ASK_LAST, cgroup });
    await isAnswered(t, served);
    const { answers } = await flood.until(({ closed }) => closed === 400, 'all connections to end');
    const { answered, refused } = served.counted;
    assert.equal(answers['200'], answered - 1);
    assert.equal(answered - 1 + refused, 400);
    // A burst of 64, and 10 a second; it is not over within a minute only on a machine where this has no meaning.
    assert.ok(answered - 1 >= 64 && answered - 1 < 390, `${answered - 1} answers`);
  });

  it('that send nothing, or one byte a second, end after some seconds, and are counted', async (t) => {
    const served = await serveJobs(t);
    const silent = new SocketFlood(t, served.path, { connections: 40, cgroup: aPod(t).cgroup });
    const dripping = new SocketFlood(t, served.path, {
      connections: 20,
      bytes: ASK_LAST,
      manners: ['drip'],
      cgroup: aPod(t).cgroup,
    });
    await silent.until(({ open, closed }) => open + closed === 40, 'the silent connections');
    await dripping.until(({ open, closed }) => open + closed === 20, 'the dripping connections');
    await isAnswered(t, served);
    await silent.until(({ closed }) => closed === 40, 'the silent connections to be closed');
    await dripping.until(({ closed }) => closed === 20, 'the dripping connections to be closed');
    assert.deepEqual([served.counted.answered, served.counted.refused], [1, 60]);
  });

  it('that wait are bounded for all units of a user together', async (t) => {
    const served = await serveJobs(t, { limits: { connectionsPerPeer: 8, requestMs: 600_000 } });
    const floods = [1, 2].map(
      () => new SocketFlood(t, served.path, { connections: 8, cgroup: aUnitOfUser(t, 4_000_000) }),
    );
    const sum = (what: 'open' | 'closed'): number => floods.reduce((all, { state }) => all + state[what], 0);
    await waitFor(() => sum('open') + sum('closed') === 16 && sum('closed') >= 8, {
      what: 'eight of sixteen connections to be closed',
      deadlineMs: 20_000,
    });
    await isAnswered(t, served);
    assert.equal(sum('open'), 8);
    assert.equal(served.counted.refused, 8);
  });

  it('that wait are bounded in total, and whoever has the most loses one', async (t) => {
    const served = await serveJobs(t, { limits: { connections: 8, requestMs: 600_000 } });
    const floods = [1, 2, 3].map(() => new SocketFlood(t, served.path, { connections: 4, cgroup: aPod(t).cgroup }));
    const sum = (what: 'open' | 'closed'): number => floods.reduce((all, { state }) => all + state[what], 0);
    await waitFor(() => sum('open') + sum('closed') === 12 && sum('closed') >= 4, {
      what: 'four of twelve connections to be closed',
      deadlineMs: 20_000,
    });
    await isAnswered(t, served);
    assert.ok(sum('open') >= 7, 'a rightful one costs the others one at most');
    await waitFor(() => served.counted.refused === sum('closed'), { what: 'each to be counted', deadlineMs: 20_000 });
  });

  it('with streams are bounded for each pod and in total, and the answer says so', async (t) => {
    const served = await serveJobs(t, { streamLimits: { total: 20 } });
    const ask = (connections: number): SocketFlood =>
      new SocketFlood(t, served.path, { connections, bytes: ASK_EVENTS, cgroup: aPod(t).cgroup });
    const first = ask(24);
    await first.until(({ open, closed }) => open === 16 && closed === 8, '16 streams and 8 refusals');
    assert.deepEqual(first.state.answers, { 503: 8 });
    const second = ask(8);
    await second.until(({ open, closed }) => open === 4 && closed === 4, '4 streams and 4 refusals');
    assert.deepEqual(second.state.answers, { 503: 4 });
    const { subscribers, answered, refused, limit } = served.counted;
    assert.deepEqual([subscribers, answered, refused, limit], [20, 20, 12, 12]);
    await isAnswered(t, served);
    first.child.kill();
    await waitFor(() => served.counted.subscribers === 4, { what: 'its streams to end', deadlineMs: 20_000 });
    await ask(1).until(({ open }) => open === 1, 'a connection');
    await waitFor(() => served.counted.subscribers === 5, { what: 'the stream of another', deadlineMs: 20_000 });
  });
});

describe('hostile bytes', { skip }, () => {
  const cases: Readonly<Record<string, readonly [bytes: string | Buffer, answers?: Record<string, number>]>> = {
    'a header of 64 KiB': [`GET /last HTTP/1.1\r\nX: ${'x'.repeat(65_536)}`, { 431: 1 }],
    'a path of 64 KiB': [`GET /${'x'.repeat(65_536)}`, { 431: 1 }],
    // It is still writing when the connection ends, and may not get as far as the answer.
    'a header of a mebibyte': [`GET /last HTTP/1.1\r\nX: ${'x'.repeat(MEBIBYTE)}`],
    'no newline': ['x'.repeat(4096), { 400: 1 }],
    zeros: [Buffer.alloc(MEBIBYTE)],
    'a path that is no text': ['GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n', { 400: 1 }],
    'another method': ['POST /last HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx', { 405: 1 }],
    'a proxy request': ['CONNECT /last HTTP/1.1\r\nHost: x\r\n\r\n', {}],
    'HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', { 400: 1 }],
  };
  for (const [what, [bytes, answers]] of Object.entries(cases)) {
    it(`${what}: the connection ends and is counted, and others are answered`, async (t) => {
      const served = await serveJobs(t);
      const flood = new SocketFlood(t, served.path, { bytes, cgroup: aPod(t).cgroup });
      const state = await flood.until(({ closed }) => closed === 1, 'the end of the connection');
      if (answers) assert.deepEqual(state.answers, answers);
      await waitFor(() => served.counted.refused === 1, { what: 'the refusal', deadlineMs: 20_000 });
      await isAnswered(t, served);
      assert.deepEqual([served.counted.answered, served.counted.refused], [1, 1]);
    });
  }

  it('a thousand requests in one are answered once', async (t) => {
    const served = await serveJobs(t);
    const flood = new SocketFlood(t, served.path, { bytes: ASK_LAST.repeat(1000), cgroup: aPod(t).cgroup });
    const { answers } = await flood.until(({ closed }) => closed === 1, 'the end of the connection');
    assert.deepEqual(answers, { 200: 1 });
    assert.deepEqual([served.counted.answered, served.counted.refused], [1, 0]);
  });

  it('a request behind the one for the stream ends the connection', async (t) => {
    const served = await serveJobs(t);
    const flood = new SocketFlood(t, served.path, { bytes: ASK_EVENTS + ASK_LAST, cgroup: aPod(t).cgroup });
    await flood.until(({ closed }) => closed === 1, 'the end of the connection');
    assert.equal(served.counted.subscribers, 0);
    assert.equal(served.counted.answered + served.counted.refused, 1);
    await isAnswered(t, served);
  });
});

describe('the end of the exporter', { skip }, () => {
  it('ends streams, read or not, and removes the socket', async (t) => {
    const served = await serveJobs(t);
    const [unread, reading] = [aPod(t), aPod(t)];
    new SocketFlood(t, served.path, { bytes: ASK_EVENTS, manners: ['unread'], cgroup: unread.cgroup });
    const half = new SocketFlood(t, served.path, { bytes: 'GET ', cgroup: aPod(t).cgroup });
    const reader = await new SocketPeer(t, served.path, { cgroup: reading.cgroup }).streaming();
    await half.until(({ open }) => open === 1, 'a connection');
    await waitFor(() => served.counted.subscribers === 2, { what: 'two streams', deadlineMs: 20_000 });
    publish(served, unread, 1000);
    publish(served, reading, 1);
    await inTime(Promise.all([served.sink.close(), served.close()]), 'the end');
    assert.ok(!existsSync(served.path));
    await half.until(({ closed }) => closed === 1, 'the end of the connection');
    await inTime(reader.ended, 'the end of the stream');
    assert.equal(reader.events.length, 1);
    assert.equal(served.counted.subscribers, 0);
  });
});
