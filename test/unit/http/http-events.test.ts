import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createHttpServer, listenHttp, type HttpServerOptions } from '../../../exporter/http/server.js';
import type { StreamLimits } from '../../../exporter/http/events/subscribers.js';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { StreamSink } from '../../../exporter/sinks/stream/sink.js';
import { aClient, aDevice, anEvent, aWorkload, recordOf } from '../../helpers/events.js';
import { aNodeStatus } from '../../helpers/node-status.js';
import { StreamReader } from '../../helpers/stream.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const silent = { fatal() {}, error() {}, warn() {}, info() {}, debug() {} };

/** A server over a stream sink, and what was counted. */
function start(
  { ringSize = 8, ...limits }: Partial<StreamLimits> & { ringSize?: number } = {},
  given: Partial<HttpServerOptions> = {},
) {
  const sink = new StreamSink({ ringSize });
  const counted = { subscribers: 0, slow: 0, limit: 0, missed: 0 };
  const app = createHttpServer({
    registry: { render: async () => 'a 1\n' },
    readiness: () => ({ ready: true, reason: 'all is well' }),
    status: async () => aNodeStatus(),
    devices: () => [],
    logger: silent,
    events: {
      feed: sink,
      limits: { subscribers: 4, ...limits },
      accounting: {
        subscribers: (count) => (counted.subscribers = count),
        dropped: (reason) => counted[reason]++,
        missed: (count) => (counted.missed += count),
      },
    },
    ...given,
  });
  after(() => app.close());
  const publish = (event: Partial<DeviceEvent> = {}) => sink.accept(recordOf(anEvent(event)));
  const publishMany = (count: number) => {
    for (let index = 0; index < count; index++) publish({ sequence: index + 1 });
  };
  return { app, sink, counted, publish, publishMany };
}

async function listen(...given: Parameters<typeof start>) {
  const started = start(...given);
  return { ...started, url: await listenHttp(started.app, { host: '127.0.0.1', port: 0 }) };
}

const connectionsOf = ({ server }: ReturnType<typeof start>['app']) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );

interface EventsDocument {
  readonly instance: string;
  readonly oldest_id: string | null;
  readonly newest_id: string | null;
  readonly overwritten: number;
  readonly missed?: number | null;
  readonly events: readonly { readonly id: string; readonly event_name: string; readonly attributes: object }[];
}

async function ask(app: ReturnType<typeof start>['app'], query = ''): Promise<EventsDocument> {
  const reply = await app.inject(`/events?format=json${query}`);
  assert.equal(reply.statusCode, 200, reply.body);
  assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8');
  return reply.json<EventsDocument>();
}

const numbers = ({ events }: EventsDocument) => events.map(({ id }) => Number(id.split('-')[1]));

describe('GET /events?format=json', () => {
  it('is empty before the first event', async () => {
    const { app, sink } = start();
    assert.deepEqual(await ask(app), {
      instance: sink.instance,
      oldest_id: null,
      newest_id: null,
      overwritten: 0,
      events: [],
    });
  });

  it('has the ring, newest last, and says what has left it', async () => {
    const { app, sink, publishMany } = start();
    publishMany(11);
    const document = await ask(app);
    assert.deepEqual(numbers(document), [4, 5, 6, 7, 8, 9, 10, 11]);
    const { oldest_id: oldest, newest_id: newest, overwritten } = document;
    assert.deepEqual([oldest, newest, overwritten], [`${sink.instance}-4`, `${sink.instance}-11`, 3]);
    const { id: _id, ...record } = document.events[0] ?? { id: '' };
    assert.deepEqual(record, JSON.parse(sink.at(4)?.json ?? ''));
  });

  it('takes the newest of a limit, and what came after an id', async () => {
    const { app, sink, publishMany } = start();
    publishMany(11);
    assert.deepEqual(numbers(await ask(app, '&limit=2')), [10, 11]);
    const since = await ask(app, `&last_event_id=${sink.instance}-9`);
    assert.deepEqual([numbers(since), since.missed], [[10, 11], 0]);
    assert.equal((await ask(app, `&last_event_id=${sink.instance}-1`)).missed, 2);
    assert.equal((await ask(app, '&last_event_id=ffffffff-9')).missed, null);
  });
});

describe('the filters of /events', () => {
  const { app, publish } = start();
  const other = aDevice({ pciBdf: '0000:04:00.0' });
  publish({ client: aClient({ workload: aWorkload() }) });
  publish({
    client: aClient({ workload: aWorkload({ namespace: 'vision', pod: 'batch-1' }), device: other }),
    errorCode: -28,
  });
  publish({ errorCode: -62 });
  publish({ definition: vmRebindOutcome, outcome: 'exited' });
  publish({ definition: eventsLost, client: undefined, device: undefined, errorCode: 0 });

  const table: readonly [query: string, expected: readonly number[]][] = [
    ['', [1, 2, 3, 4, 5]],
    ['&device=0000:04:00.0', [2, 5]],
    ['&device=04:00.0', [2, 5]],
    ['&device=03:00.0&device=04:00.0', [1, 2, 3, 4, 5]],
    ['&errno=ENOSPC', [2, 5]],
    ['&errno=enospc&errno=62', [2, 3, 5]],
    ['&errno=-12', [1, 4, 5]],
    ['&namespace=ml', [1, 5]],
    ['&namespace=ml&pod=batch-1', [5]],
    ['&pod=batch-1', [2, 5]],
    ['&event=xe.vm.rebind_error.outcome', [4]],
    ['&event=xe.exporter.events_lost&device=03:00.0', [5]],
    ['&event=xe.vm.rebind_error&device=03:00.0', [1, 3]],
    ['&event=xe.vm.rebind_error&limit=1', [3]],
  ];
  for (const [query, expected] of table) {
    it(`answers "${query}" with ${expected.join(', ')}; a loss passes all but the name`, async () => {
      assert.deepEqual(numbers(await ask(app, query)), expected);
    });
  }

  const refused: readonly [query: string, line: RegExp][] = [
    ['devices=03:00.0', /^Unknown parameter\. There is device, /],
    ['__proto__=1', /^Unknown parameter/],
    ['device=03', /^device must be a PCI address/],
    ['device=', /^device must/],
    ['errno=ENOTHING', /^errno must/],
    ['errno=0', /^errno must/],
    ['namespace=a%20b', /^namespace must/],
    ['namespace=%3Cscript%3E', /^namespace must/],
    [`pod=${'a'.repeat(254)}`, /^pod must/],
    ['pod=', /^pod must/],
    ['event=xe.nothing', /^event must be one of xe\.vm\.rebind_error, /],
    ['format=xml', /^format must/],
    ['format=json&format=sse', /^format must not be given twice/],
    ['format=json&limit=0', /^limit must/],
    ['limit=5', /^limit needs format=json/],
    [`last_event_id=${'a'.repeat(101)}`, /^last_event_id must/],
  ];
  for (const [query, line] of refused) {
    it(`refuses ${query.slice(0, 40)}`, async () => {
      const reply = await app.inject(`/events?${query}`);
      assert.equal(reply.statusCode, 400);
      assert.match(reply.body, line);
      assert.match(reply.body, /^[^\n<]+\.\n$/);
      assert.equal(reply.headers['content-type'], 'text/plain; charset=utf-8');
    });
  }
});

describe('GET /events', () => {
  it('is a stream that no proxy holds back and no cache keeps', async () => {
    const { url, sink } = await listen();
    const reader = await StreamReader.open(url);
    await reader.until(({ body }) => body !== '', 'the first words');
    assert.equal(reader.status, 200);
    const head = reader.text.slice(0, reader.text.indexOf('\r\n\r\n')).toLowerCase();
    for (const line of [
      'content-type: text/event-stream; charset=utf-8',
      'cache-control: no-store',
      'x-accel-buffering: no',
      'x-content-type-options: nosniff',
    ]) {
      assert.ok(head.includes(line), head);
    }
    assert.equal(reader.body, `retry: 3000\nid: ${sink.instance}-0\n\n`);
    reader.close();
  });

  it('sends events as they happen, one serialisation each, and not those before', async () => {
    const { url, sink, publish, counted } = await listen();
    publish();
    const readers = [await StreamReader.open(url), await StreamReader.open(url, '/events?errno=ENOSPC')];
    await waitFor(() => counted.subscribers === 2, { what: 'two subscribers' });
    publish({ errorCode: -28 });
    publish();
    const [all, some] = readers;
    await all?.until(({ events }) => events.length === 2, 'two events');
    await some?.until(({ events }) => events.length === 1, 'the filtered event');
    assert.deepEqual(all?.events[0], {
      id: `${sink.instance}-2`,
      event: 'xe.vm.rebind_error',
      data: JSON.parse(sink.at(2)?.json ?? ''),
    });
    assert.deepEqual(some?.events, all.events.slice(0, 1));
    for (const reader of readers) reader.close();
    await waitFor(() => counted.subscribers === 0, { what: 'nobody' });
  });

  it('goes on after the id a reader had, by header or by parameter, the header first', async () => {
    const { url, sink, publishMany } = await listen();
    publishMany(6);
    const id = (number: number) => `${sink.instance}-${number}`;
    for (const [path, headers, expected] of [
      ['/events', { 'Last-Event-ID': id(4) }, [5, 6]],
      [`/events?last_event_id=${id(5)}`, {}, [6]],
      [`/events?last_event_id=${id(1)}`, { 'Last-Event-ID': id(5) }, [6]],
      ['/events?last_event_id=0', {}, [1, 2, 3, 4, 5, 6]],
    ] as const) {
      const reader = await StreamReader.open(url, path, headers);
      await reader.until(({ events }) => events.length === expected.length, `events after ${path}`);
      assert.deepEqual(
        reader.events.map(({ id }) => id),
        expected.map(id),
      );
      reader.close();
    }
  });

  it('says how many events left the ring before a reader came back', async () => {
    const { url, sink, publishMany, counted } = await listen();
    publishMany(20);
    const reader = await StreamReader.open(url, '/events', { 'Last-Event-ID': `${sink.instance}-5` });
    await reader.until(({ events }) => events.length === 9, 'the gap and eight events');
    const [gap, first] = reader.events;
    assert.deepEqual(gap, { id: `${sink.instance}-12`, event: 'gap', data: { reason: 'overwritten', missed: 7 } });
    assert.equal(first?.id, `${sink.instance}-13`);
    assert.equal(counted.missed, 7);
    reader.close();
  });

  it('tells a reader of another start that it cannot know', async () => {
    const { url, sink, publishMany, counted } = await listen();
    publishMany(2);
    for (const id of ['ffffffff-1', `${sink.instance}-3`, sink.instance, 'nonsense', '', `${sink.instance}-1e9`]) {
      const reader = await StreamReader.open(url, '/events', { 'Last-Event-ID': id });
      await reader.until(({ events }) => events.length === 3, `the answer to ${id}`);
      const [gap] = reader.events;
      assert.deepEqual(gap, { id: `${sink.instance}-0`, event: 'gap', data: { reason: 'other_start', missed: null } });
      assert.equal(reader.lastId, `${sink.instance}-2`);
      reader.close();
      await waitFor(() => counted.subscribers === 0, { what: 'the reader to leave' });
    }
    assert.equal(counted.missed, 0);
  });

  it('says so when more came in one turn than the ring holds', async () => {
    const { url, publishMany, counted } = await listen();
    const reader = await StreamReader.open(url);
    await waitFor(() => counted.subscribers === 1, { what: 'the subscriber' });
    publishMany(100);
    await reader.until(({ events }) => events.length === 9, 'the gap and eight events');
    assert.deepEqual(reader.events[0]?.data, { reason: 'overwritten', missed: 92 });
    assert.deepEqual([counted.missed, counted.slow, counted.subscribers], [92, 0, 1]);
    reader.close();
  });

  it('beats, and moves the place of a reader whose filter lets nothing through', async () => {
    const { url, sink, publishMany, counted } = await listen({ heartbeatMs: 20 });
    const reader = await StreamReader.open(url, '/events?errno=EBUSY');
    await waitFor(() => counted.subscribers === 1, { what: 'the subscriber' });
    publishMany(3);
    await reader.until(({ body }) => body.split(': heartbeat').length > 3, 'heartbeats');
    assert.deepEqual(reader.events, []);
    assert.equal(reader.lastId, `${sink.instance}-3`);
    reader.close();
  });

  it('outlives the limits of other answers', async () => {
    const endless = { render: async () => 'x'.repeat(32 * 1024 * 1024) };
    const { app, url, publish, counted } = await listen(
      {},
      { registry: endless, limits: { idleMs: 50, responseMs: 50 } },
    );
    const reader = await StreamReader.open(url);
    await waitFor(() => counted.subscribers === 1, { what: 'the subscriber' });
    // A neighbour that is held to the limits shows that their time has passed.
    const other = await StreamReader.open(url, '/metrics');
    other.socket.pause();
    await waitFor(async () => (await connectionsOf(app)) === 2, { what: 'both connections' });
    await waitFor(async () => (await connectionsOf(app)) === 1, { what: 'the other one to be cut off' });
    publish();
    await reader.until(({ events }) => events.length === 1, 'the event');
    for (const { socket } of [reader, other]) socket.destroy();
  });

  it('is not streamed to HEAD', async () => {
    const { app, counted } = start();
    const reply = await app.inject({ method: 'HEAD', url: '/events' });
    assert.deepEqual([reply.statusCode, reply.body], [200, '']);
    assert.equal(reply.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal((await app.inject({ method: 'POST', url: '/events' })).statusCode, 405);
    assert.equal(counted.subscribers, 0);
  });

  it('can be switched off', async () => {
    const { app } = start({}, { events: undefined });
    const reply = await app.inject('/events');
    assert.equal(reply.statusCode, 404);
    assert.match(reply.body, /^[^\n]*--events-http\.\n$/);
  });
});

describe('the limits of /events', () => {
  it('turns away one subscriber too many, and lets it in when another has left', async () => {
    const { app, url, counted } = await listen({ subscribers: 2 });
    const readers = [await StreamReader.open(url), await StreamReader.open(url)];
    await waitFor(() => counted.subscribers === 2, { what: 'two subscribers' });
    const refused = await app.inject('/events');
    assert.equal(refused.statusCode, 503);
    assert.equal(refused.headers['retry-after'], '30');
    assert.equal(refused.headers['content-type'], 'text/plain; charset=utf-8');
    assert.match(refused.body, /^All 2 event streams are taken: [^\n]*--events-max-subscribers\.\n$/);
    assert.equal(counted.limit, 1);
    assert.equal((await app.inject('/events?format=json')).statusCode, 200);
    assert.equal((await app.inject('/metrics')).statusCode, 200);
    readers[0]?.close();
    await waitFor(() => counted.subscribers === 1, { what: 'a free place' });
    const next = await StreamReader.open(url);
    await next.until(({ status }) => status === 200, 'the place');
    for (const reader of [...readers, next]) reader.close();
  });

  it('takes no connection from the others', async () => {
    const { url, counted } = await listen({ subscribers: 3 }, { limits: { connections: 1 } });
    const readers: StreamReader[] = [];
    for (let count = 1; count <= 3; count++) {
      readers.push(await StreamReader.open(url));
      await waitFor(() => counted.subscribers === count, { what: `${count} subscribers` });
    }
    assert.equal((await fetch(`${url}/metrics`)).status, 200);
    assert.equal(counted.subscribers, 3);
    for (const reader of readers) reader.close();
  });

  it('refuses a stream with another request behind it, and ends one that is open with the next request', async () => {
    const { url, counted } = await listen();
    const greedy = await StreamReader.open(url, '/events HTTP/1.1\r\nHost: x\r\n\r\nGET /events');
    await greedy.until(({ closed }) => closed, 'the connection to end');
    assert.match(greedy.text, /^HTTP\/1\.1 503 .*needs a connection of its own/s);
    const reader = await StreamReader.open(url);
    const other = await StreamReader.open(url);
    await waitFor(() => counted.subscribers === 2, { what: 'two subscribers' });
    reader.socket.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
    await reader.until(({ closed }) => closed, 'the stream to end');
    await waitFor(() => counted.subscribers === 1, { what: 'one subscriber' });
    other.close();
    await waitFor(() => counted.subscribers === 0, { what: 'nobody' });
    assert.equal(counted.limit, 0);
  });

  it('cuts off a reader the ring has moved past, without keeping anything for it, and nobody else', async () => {
    const { url, sink, publishMany, counted } = await listen({ ringSize: 64 });
    const [slow, fast] = [await StreamReader.open(url), await StreamReader.open(url)];
    await waitFor(() => counted.subscribers === 2, { what: 'two subscribers' });
    slow.socket.pause();
    await waitFor(
      () => {
        publishMany(32);
        return counted.slow === 1;
      },
      { what: 'the slow reader to be cut off', deadlineMs: 30_000 },
    );
    assert.equal(counted.subscribers, 1);
    await fast.until(({ lastId }) => lastId === `${sink.instance}-${sink.newest}`, 'the other reader to have all');
    assert.equal(counted.missed, 0);
    assert.equal(fast.events.length, sink.newest);
    slow.socket.resume();
    await slow.until(({ closed }) => closed, 'the end of the slow one');
    const back = await StreamReader.open(url, '/events', { 'Last-Event-ID': slow.lastId });
    await back.until(({ events }) => events[0]?.event === 'gap', 'what it missed');
    assert.equal(back.events[0]?.data['missed'], counted.missed);
    assert.ok(counted.missed > 0);
    for (const reader of [fast, back]) reader.close();
  });

  it('cuts off a reader whose socket stands still, though nothing new happens', async () => {
    const { url, publishMany, counted } = await listen({ ringSize: 65_536, heartbeatMs: 20, stallMs: 100 });
    publishMany(8000);
    const reader = await StreamReader.open(url, '/events?last_event_id=0');
    reader.socket.pause();
    await waitFor(() => counted.slow === 1, { what: 'the reader to be cut off' });
    assert.equal(counted.subscribers, 0);
    reader.close();
  });

  it('ends streams at once when the exporter stops, and says when to come back', async () => {
    const { app, url, sink, publish, counted } = await listen();
    const reader = await StreamReader.open(url);
    await waitFor(() => counted.subscribers === 1, { what: 'the subscriber' });
    publish();
    await sink.close();
    await reader.until(({ text }) => text.endsWith('0\r\n\r\n'), 'the end of the stream');
    assert.equal(reader.events.length, 1, 'the last event went out');
    assert.match(reader.body, /\n: the exporter stops\nretry: 5000\n\n$/);
    const late = await app.inject('/events');
    assert.deepEqual([late.statusCode, late.body], [503, 'The exporter is stopping.\n']);
    await app.close();
    await reader.until(({ closed }) => closed, 'the connection to end');
  });

  it('stops in time with a reader that does not read', async () => {
    const { app, url, sink, publishMany, counted } = await listen({ ringSize: 65_536 });
    publishMany(8000);
    const reader = await StreamReader.open(url, '/events?last_event_id=0');
    reader.socket.pause();
    await waitFor(() => counted.subscribers === 1, { what: 'the subscriber' });
    await inTime(sink.close(), 'the sink');
    await inTime(app.close(), 'the server');
    reader.close();
  });

  it('keeps nothing of clients that die by the thousand', async () => {
    const { app, url, counted, publish } = await listen({ subscribers: 16 });
    for (let turn = 0; turn < 150; turn++) {
      const readers = await Promise.all(Array.from({ length: 20 }, () => StreamReader.open(url)));
      publish();
      for (const reader of readers) {
        if (turn % 2) reader.socket.resetAndDestroy();
        else reader.close();
      }
      await waitFor(() => readers.every(({ closed }) => closed), { what: 'the readers to be gone' });
    }
    await waitFor(() => counted.subscribers === 0, { what: 'every subscriber to be gone' });
    await waitFor(async () => (await connectionsOf(app)) === 0, { what: 'every connection to be gone' });
    const reader = await StreamReader.open(url);
    await reader.until(({ status }) => status === 200, 'a place');
    reader.close();
  });
});
