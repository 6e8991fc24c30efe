import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { acceptsGzip, negotiateFormat } from '../../../exporter/http/negotiate.js';
import { createHttpServer, listenHttp, type HttpServerOptions } from '../../../exporter/http/server.js';
import { StreamSink } from '../../../exporter/sinks/stream/sink.js';
import { CounterFamily } from '../../../exporter/metrics/engine/metric-families.js';
import { PATH } from '../../../exporter/names.js';
import { ExpositionRegistry } from '../../../exporter/metrics/engine/prom-client-adapter.js';
import { parseExposition } from '../../helpers/exposition.js';
import { aHealth, aNodeStatus } from '../../helpers/node-status.js';
import { assertLinear } from '../../helpers/hostile-input.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

const silent = { fatal() {}, error() {}, warn() {}, info() {}, debug() {} };

/** A server over `series` series; closed when the test file ends. */
function start(series = 1, given: Partial<HttpServerOptions> = {}) {
  const registry = new ExpositionRegistry();
  const family = registry.register(new CounterFamily({ name: 'a_total', help: 'A.', labels: ['x'] }));
  for (let index = 0; index < series; index++) family.cell(`some value ${index}`);
  const app = createHttpServer({
    registry,
    readiness: () => ({ ready: true, reason: 'All is well.' }),
    status: async () => aNodeStatus(),
    devices: () => [],
    logger: silent,
    ...given,
  });
  after(() => app.close());
  return { app, registry, family };
}

describe('GET /devices', () => {
  it('says of each GPU whether it is fit for work, and answers HEAD without making it', async () => {
    const cause = { event: 'xe.gt.reset', id: 'a-1', time: '2026-01-31T11:59:30.000Z', body: 'A reset began.' };
    const stuck = aHealth({ state: 'unrecovered', reason: 'reset_stuck', cause, advice: 'Power-cycle the node.' });
    const { app } = start(1, { devices: () => [stuck, aHealth({ pciBdf: '0000:04:00.0' })] });
    const { statusCode, headers, body } = await app.inject('/devices');
    assert.deepEqual([statusCode, headers['content-type']], [200, 'application/json; charset=utf-8']);
    const since = '2026-01-31T12:00:00.000Z';
    assert.deepEqual(JSON.parse(body), {
      devices: [
        { pci_bdf: '0000:03:00.0', state: 'unrecovered', since, cause, advice: 'Power-cycle the node.' },
        { pci_bdf: '0000:04:00.0', state: 'ok', since, cause: null, advice: '' },
      ],
    });
    assert.equal((await app.inject({ method: 'HEAD', url: '/devices' })).statusCode, 200);
  });
});

describe('content negotiation', () => {
  const table: readonly [accept: string | undefined, format: string][] = [
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text'],
    ['text/plain', 'text'],
    ['text/plain;version=0.0.4', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
    ['APPLICATION/OpenMetrics-Text;Version="1.0.0"', 'openmetrics'],
    ['application/openmetrics-text;version=0.0.1', 'text'],
    ['application/openmetrics-text;version=2.0.0', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=0.5,text/plain;q=0.9', 'text'],
    ['application/openmetrics-text;q=0.9,text/plain;q=0.5', 'openmetrics'],
    ['application/openmetrics-text,text/plain', 'text'],
    ['application/openmetrics-text, */*', 'openmetrics'],
    ['application/openmetrics-text;q=0.5, */*', 'text'],
    ['text/plain;q=0, */*', 'openmetrics'],
    ['application/*', 'openmetrics'],
    ['application/openmetrics-text;q=nonsense', 'text'],
    ['application/openmetrics-text;q=1.5,text/plain;q=0.1', 'text'],
    ['image/png', 'text'],
    [';;,,=;q=', 'text'],
    // Prometheus 2.42
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    // Prometheus 3, with its default protocols and with PrometheusText0.0.4 alone
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4', 'text'],
    ['text/plain;version=0.0.4;q=0.5,*/*;q=0.4', 'text'],
  ];
  for (const [accept, format] of table) {
    it(`answers ${accept === undefined ? 'no Accept' : JSON.stringify(accept)} with ${format}`, () => {
      assert.equal(negotiateFormat(accept), format);
    });
  }

  it('reads Accept-Encoding', () => {
    for (const yes of ['gzip', 'deflate, gzip;q=0.1', '*', 'GZIP', 'x-gzip', 'br;q=1.0, gzip;q=0.8, *;q=0.1'])
      assert.ok(acceptsGzip(yes), yes);
    for (const no of [undefined, '', 'br', 'gzip;q=0', 'gzip;q=0, *', '*;q=0', 'identity', 'gzip;q=x'])
      assert.ok(!acceptsGzip(no), no);
  });

  it('takes no time over a hostile header', () => {
    for (const part of [',', ';', 'a;q=', ' ', '"']) {
      assertLinear(part, (bytes) => {
        const evil = part.repeat(bytes / part.length);
        return () => {
          negotiateFormat(evil);
          acceptsGzip(evil);
        };
      });
    }
  });
});

describe('GET /metrics', () => {
  it('has the exact content type of each format', async () => {
    const { app } = start();
    for (const [accept, type] of [
      ['*/*', TEXT],
      ['application/openmetrics-text', OPEN_METRICS],
    ] as const) {
      const reply = await app.inject({ url: '/metrics', headers: { accept } });
      assert.equal(reply.statusCode, 200);
      assert.equal(reply.headers['content-type'], type);
      assert.match(String(reply.headers.vary), /\bAccept\b/);
      assert.equal(reply.headers['content-encoding'], undefined);
      assert.equal(reply.body.endsWith('# EOF\n'), type === OPEN_METRICS);
      assert.equal(parseExposition(reply.body).size, 1);
    }
  });

  it('compresses what is large, when asked', async () => {
    const { app } = start(1000);
    const plain = await app.inject({ url: '/metrics', headers: { 'accept-encoding': 'br' } });
    const zipped = await app.inject({ url: '/metrics', headers: { 'accept-encoding': 'gzip' } });
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.equal(zipped.headers['content-type'], TEXT);
    assert.equal(gunzipSync(zipped.rawPayload).toString(), plain.body);
    assert.ok(zipped.rawPayload.length < plain.rawPayload.length / 5);
  });

  it('leaves small answers alone', async () => {
    const reply = await start().app.inject({ url: '/metrics', headers: { 'accept-encoding': 'gzip' } });
    assert.equal(reply.headers['content-encoding'], undefined);
  });

  it('shows each scrape the values of its moment', async () => {
    const { app, family } = start();
    for (let turn = 0; turn < 3; turn++) {
      const { body } = await app.inject('/metrics');
      assert.equal(parseExposition(body).get('a_total{x="some value 0"}'), turn);
      family.cell('some value 0').inc();
    }
  });

  it('renders once for a crowd', async () => {
    let rendered = 0;
    const registry = {
      render: async () => (rendered++, new Promise<string>((done) => setImmediate(() => done('x\n'.repeat(5000))))),
    };
    const { app } = start(0, { registry });
    const scrape = (encoding: string) => app.inject({ url: '/metrics', headers: { 'accept-encoding': encoding } });
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) => scrape(index % 2 ? 'gzip' : 'identity')),
    );
    assert.ok(replies.every(({ statusCode }) => statusCode === 200));
    assert.ok(rendered <= 2, `${rendered} renderings`);
  });

  it('answers 500 in one line when rendering fails, logs why, and recovers', async () => {
    const logged: object[] = [];
    let broken = true;
    const registry = { render: async () => (broken ? Promise.reject(new Error('secret detail')) : 'fine\n') };
    const { app } = start(0, { registry, logger: { ...silent, error: (fields) => logged.push(fields) } });
    const reply = await app.inject('/metrics');
    assert.equal(reply.statusCode, 500);
    assert.match(reply.body, /^[^\n]+\n$/);
    assert.doesNotMatch(reply.body, /secret/);
    assert.equal(logged.length, 1);
    broken = false;
    assert.equal((await app.inject('/metrics')).body, 'fine\n');
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    const { app } = start();
    const get = await app.inject('/metrics');
    const head = await app.inject({ method: 'HEAD', url: '/metrics' });
    assert.equal(head.statusCode, 200);
    assert.equal(head.body, '');
    for (const name of ['content-type', 'vary']) assert.equal(head.headers[name], get.headers[name], name);
  });
});

describe('HEAD', () => {
  it('makes no document on any path, and has the status of GET', async () => {
    let made = 0;
    const make = async <Made>(document: Made): Promise<Made> => (made++, document);
    const sink = new StreamSink({ ringSize: 8 });
    const accounting = { subscribers() {}, dropped() {}, missed() {} };
    const feed = new Proxy(sink, {
      get: (target, name) => {
        if (name === 'at') made++;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const { app } = start(0, {
      registry: { render: () => make('a 1\n') },
      status: () => make(aNodeStatus()),
      events: { feed, accounting, limits: { subscribers: 1 } },
      readiness: () => ({ ready: false, reason: 'No source is up.' }),
    });
    const statuses = new Map<string, number>();
    for (const url of [...Object.values(PATH), '/events?format=json', '/events?format=no', '/nothing']) {
      const { statusCode, body } = await app.inject({ method: 'HEAD', url });
      assert.equal(body, '', url);
      statuses.set(url, statusCode);
    }
    assert.equal(made, 0);
    assert.deepEqual(Object.fromEntries(statuses), {
      '/': 200,
      '/metrics': 200,
      '/devices': 200,
      '/jobs/xe_exporter_jobs.py': 200,
      '/healthz': 200,
      '/readyz': 503,
      '/events': 200,
      '/events?format=json': 200,
      '/events?format=no': 400,
      '/nothing': 404,
    });
  });
});

describe('health', () => {
  it('is alive whether ready or not, and says why not', async () => {
    const { app } = start(0, { readiness: () => ({ ready: false, reason: 'No event source is up.' }) });
    const alive = await app.inject('/healthz');
    assert.deepEqual([alive.statusCode, alive.body], [200, 'ok\n']);
    const ready = await app.inject('/readyz');
    assert.deepEqual([ready.statusCode, ready.body], [503, 'No event source is up.\n']);
    assert.equal(ready.headers['content-type'], 'text/plain; charset=utf-8');
  });

  it('is ready with a reason', async () => {
    const ready = await start().app.inject('/readyz');
    assert.deepEqual([ready.statusCode, ready.body], [200, 'All is well.\n']);
  });
});

describe('refusals', () => {
  const table: readonly [
    method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'PATCH',
    url: string,
    status: number,
  ][] = [
    ['GET', '/nothing', 404],
    ['GET', '/metrics/', 404],
    ['GET', '/metricsx', 404],
    ['GET', '/..%2f..%2fetc%2fpasswd', 404],
    ['GET', '/%', 400],
    ['GET', `/${'a'.repeat(9000)}`, 404],
    ['POST', '/nothing', 404],
    ['POST', '/metrics', 405],
    ['PUT', '/metrics?x=1', 405],
    ['DELETE', '/', 405],
    ['OPTIONS', '/healthz', 405],
    ['PATCH', '/readyz', 405],
  ];
  for (const [method, url, status] of table) {
    it(`answers ${method} ${url.slice(0, 30)} with ${status} and one line`, async () => {
      const payload =
        method === 'POST' ? { headers: { 'content-type': 'application/x-nonsense' }, payload: 'x'.repeat(5000) } : {};
      const reply = await start().app.inject({ method, url, ...payload });
      assert.equal(reply.statusCode, status);
      assert.match(reply.body, /^[^\n<]+\.\n$/);
      assert.equal(reply.headers['content-type'], 'text/plain; charset=utf-8');
      assert.equal(reply.headers.allow, status === 405 ? 'GET, HEAD' : undefined);
    });
  }
});

describe('on a socket', () => {
  async function listen(...given: Parameters<typeof start>) {
    const started = start(...given);
    const url = new URL(await listenHttp(started.app, { host: '127.0.0.1', port: 0 }));
    return { ...started, url };
  }

  /** More than the socket buffers of both ends take. */
  const endless = { render: async () => 'x'.repeat(32 * 1024 * 1024) };

  /** A connection that has sent `request`; what comes back is left unread until someone reads. */
  async function dial(url: URL, request: string): Promise<Socket> {
    const socket = connect(Number(url.port), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.pause();
    socket.write(request);
    return socket;
  }

  const connections = (server: { getConnections(done: (error: Error | null, count: number) => void): unknown }) =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );

  it('names the port that is in use', async () => {
    const { url } = await listen();
    await assert.rejects(listenHttp(start().app, { host: '127.0.0.1', port: Number(url.port) }), {
      code: 'EADDRINUSE',
    });
  });

  it('listens on every interface for an empty host', async () => {
    const { app } = start();
    const url = await listenHttp(app, { host: '', port: 0 });
    assert.match(url, /^http:\/\/localhost:\d+$/);
    assert.equal((await fetch(`http://127.0.0.1:${new URL(url).port}/healthz`)).status, 200);
  });

  it('closes at once with connections kept alive, silent or unread', async () => {
    const { app, url } = await listen(20_000);
    await (await fetch(new URL('/healthz', url))).text();
    const sockets = [
      await dial(url, ''),
      await dial(url, 'GET /metrics HTTP/1.1\r\nHost: x\r\n'),
      await dial(url, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'),
    ];
    await waitFor(async () => (await connections(app.server)) >= 4, { what: 'the connections' });
    await inTime(app.close(), 'the server');
    await app.close();
    for (const socket of sockets) socket.destroy();
  });

  it('drops a request that never ends', async () => {
    const { app, url } = await listen(1, { limits: { requestMs: 100 } });
    const socket = await dial(url, 'GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    socket.resume();
    await once(socket, 'close');
    await waitFor(async () => (await connections(app.server)) === 0, { what: 'the connection to end' });
  });

  it('drops a client that does not read', async () => {
    const { app, url } = await listen(0, { registry: endless, limits: { idleMs: 200 } });
    await dial(url, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await waitFor(async () => (await connections(app.server)) === 1, { what: 'the connection' });
    await waitFor(async () => (await connections(app.server)) === 0, { what: 'the connection to end' });
  });

  it('drops a client that reads a little now and then', async (context) => {
    const { app, url } = await listen(0, { registry: endless, limits: { responseMs: 400 } });
    const socket = await dial(url, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await waitFor(async () => (await connections(app.server)) === 1, { what: 'the connection' });
    const sip = setInterval(() => socket.read(1000), 20);
    context.after(() => clearInterval(sip));
    await waitFor(async () => (await connections(app.server)) === 0, { what: 'the connection to end' });
  });

  const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

  /** What came back on a connection that the server has ended. */
  const answersOn = async (socket: Socket): Promise<string> => {
    let text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
    const closed = once(socket, 'close');
    socket.resume();
    await inTime(closed, 'the end of the connection');
    return text;
  };

  it('answers one request of a pipeline, and ends the connection with that answer', async () => {
    let rendered = 0;
    const registry = { render: async () => (rendered++, 'x'.repeat(5000)) };
    const { app, url } = await listen(0, { registry });
    let parsed = 0;
    app.server.on('request', () => parsed++);
    const text = await answersOn(await dial(url, GET('/metrics').repeat(1300)));
    assert.equal(parsed, 2, 'the rest is not even parsed');
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200']);
    assert.match(text, /^Connection: close\r$/im);
    assert.match(text, /x{5000}$/);
    assert.equal(rendered, 1);
    const polite = await dial(url, GET('/healthz'));
    for (let turn = 0; turn < 20; turn++) {
      const [answer] = (await once(polite.resume(), 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 200 .*ok\n$/s);
      polite.write(GET('/healthz'));
    }
    polite.destroy();
  });

  it('takes no second request before the first answer has been read', async () => {
    let rendered = 0;
    const registry = { render: async () => (rendered++, 'x'.repeat(32 * 1024 * 1024)) };
    const { app, url } = await listen(0, { registry });
    const socket = await dial(url, GET('/metrics'));
    await waitFor(() => rendered === 1, { what: 'the first answer' });
    for (let turn = 0; turn < 10; turn++) socket.write(GET('/metrics'));
    const text = await answersOn(socket);
    assert.equal(rendered, 1);
    assert.equal(text.match(/HTTP\/1\.1 \d+/g)?.length, 1);
    assert.ok(text.endsWith('x'.repeat(1000)));
    await waitFor(async () => (await connections(app.server)) === 0, { what: 'the connection to end' });
  });

  it('lets new connections in and idle ones go', async () => {
    const { app, url } = await listen(1, { limits: { connections: 3 } });
    const idle: Socket[] = [];
    for (let count = 0; count < 3; count++) {
      const socket = await dial(url, GET('/healthz'));
      await once(socket.resume(), 'data');
      idle.push(socket);
    }
    const [first, second] = idle as [Socket, Socket];
    assert.match(await answersOn(await dial(url, `GET /metrics HTTP/1.0\r\n\r\n`)), /^HTTP\/1\.1 200/);
    await waitFor(() => first.destroyed, { what: 'the longest idle one to go' });
    assert.ok(!second.destroyed);
    assert.ok((await connections(app.server)) <= 3);
    for (const socket of idle) socket.destroy();
  });

  it('lets a peer have its share of the connections, and takes room from the peer that has the most', async () => {
    const { app, url } = await listen(1, { limits: { connections: 4, connectionsPerPeer: 3 } });
    const from = async (localAddress: string): Promise<Socket> => {
      const socket = connect({ port: Number(url.port), host: '127.0.0.1', localAddress });
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(GET('/healthz'));
      await once(socket, 'data');
      return socket;
    };
    const one = await from('127.0.0.2');
    const crowd: Socket[] = [];
    for (let count = 0; count < 10; count++) crowd.push(await from('127.0.0.3'));
    await waitFor(() => crowd.filter(({ destroyed }) => !destroyed).length === 3, { what: 'the crowd to be cut' });
    const other = await from('127.0.0.4');
    await waitFor(() => crowd.filter(({ destroyed }) => !destroyed).length === 2, { what: 'room for another peer' });
    assert.ok(!one.destroyed && !other.destroyed);
    assert.equal(await connections(app.server), 4);
    for (const socket of [one, other, ...crowd]) socket.destroy();
  });

  it('holds a bounded number of bytes for readers that do not read', async () => {
    const registry = { render: async () => 'x'.repeat(16 * 1024 * 1024) };
    const { app, url } = await listen(0, { registry, limits: { untakenBytes: 40 * 1024 * 1024 } });
    const slow: Socket[] = [];
    for (let count = 0; count < 6; count++) slow.push(await dial(url, GET('/metrics')));
    await waitFor(async () => (await connections(app.server)) === 2, { what: 'the slowest to be cut off' });
    const quick = await dial(url, `GET /metrics HTTP/1.0\r\n\r\n`);
    assert.ok((await answersOn(quick)).endsWith('x'.repeat(1000)));
    for (const socket of slow) socket.destroy();
  });

  it('keeps no connection open for what it refuses', async () => {
    const { url } = await listen();
    for (const path of ['/nothing', '/%', '/events']) {
      assert.match(await answersOn(await dial(url, GET(path))), /^HTTP\/1\.1 40[04] .*^Connection: close\r$/ims);
    }
  });

  it('answers nonsense on the wire with 400 and hangs up', async () => {
    const { url } = await listen();
    for (const nonsense of [
      '\x16\x03\x01\x02\x00',
      'GET\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
    ]) {
      const socket = await dial(url, nonsense);
      const answer = (await socket.setEncoding('utf8').toArray()).join('');
      assert.match(answer, /^HTTP\/1\.1 4(00|31) .*text\/plain.*\r\n\r\n[A-Z][^\n{]*\.\n$/s);
    }
  });
});
