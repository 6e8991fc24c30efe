import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import {
  createHealthServer,
  createHttpServer,
  listenHttp,
  type HttpServerOptions,
} from '../../../exporter/http/server.js';
import { WebGuard } from '../../../exporter/web-config/guard.js';
import { StreamSink } from '../../../exporter/sinks/stream/sink.js';
import { anEvent, recordOf } from '../../helpers/events.js';
import { aNodeStatus } from '../../helpers/node-status.js';
import { StreamReader } from '../../helpers/stream.js';
import { aHash, get, pem, WebConfigFolder } from '../../helpers/web-config.js';
import { inTime, waitFor } from '../../helpers/wait-for.js';

const silent = { fatal() {}, error() {}, warn() {}, info() {}, debug() {} };
const readiness = () => ({ ready: true, reason: 'All is well.' });

const TLS = 'tls_server_config: {cert_file: server.pem, key_file: server.key';
const VERIFIED = `${TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem`;
const client = (name: string): ConnectionOptions => ({ cert: pem(`${name}.pem`), key: pem(`${name}.key`) });

/** A server on a free port behind the protection of `text`; `later()` lets the second between two looks at the files pass. */
async function start(
  t: Pick<TestContext, 'after'>,
  text: string,
  given: Partial<HttpServerOptions> = {},
  prepare: (folder: string) => void = () => undefined,
) {
  const folder = WebConfigFolder.create(t, text);
  prepare(folder.folder);
  const warnings: object[] = [];
  let now = 0;
  const logger = { ...silent, warn: (fields: object) => void warnings.push(fields) };
  const guard = new WebGuard(folder.path, logger, () => now);
  const registry = { render: async () => 'a_total 1\n' };
  const app = createHttpServer({
    registry,
    readiness,
    status: async () => aNodeStatus(),
    devices: () => [],
    logger: silent,
    guard,
    ...given,
  });
  t.after(() => app.close());
  const url = await listenHttp(app, { host: '127.0.0.1', port: 0 });
  return { folder, guard, app, warnings, url, port: Number(new URL(url).port), later: () => void (now += 1000) };
}

const TLS_OF_SECRET = 'tls_server_config: {cert_file: tls.crt, key_file: tls.key}';

/** Replaces the content of a mounted secret as the kubelet does: a new folder, and one link to it renamed into place. */
function publish(folder: string, version: string, name: string): void {
  mkdirSync(join(folder, version));
  copyFileSync(join(folder, `${name}.pem`), join(folder, version, 'tls.crt'));
  copyFileSync(join(folder, `${name}.key`), join(folder, version, 'tls.key'));
  symlinkSync(version, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  for (const file of ['tls.crt', 'tls.key']) {
    if (!existsSync(join(folder, file))) symlinkSync(`..data/${file}`, join(folder, file));
  }
}

/** Also when it ends with an error. */
const gone = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

const closed = /ECONNRESET|EPIPE|socket hang up|socket disconnected|ECONNABORTED/;

describe('TLS', () => {
  it('serves HTTPS, says so in its URL, and only HTTP/1.1', async (t) => {
    const { url, port } = await start(t, `${TLS}}`);
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await get(`${url}/metrics`)).body, 'a_total 1\n');
    const socket = connect({ port, ca: pem('ca.pem'), host: 'localhost', ALPNProtocols: ['h2', 'http/1.1'] });
    await once(socket, 'secureConnect');
    assert.deepEqual([socket.alpnProtocol, socket.getProtocol()], ['http/1.1', 'TLSv1.3']);
    socket.destroy();
  });

  it('refuses TLS 1.1, and 1.2 where 1.3 is asked for', async (t) => {
    const { url } = await start(t, `${TLS}}`);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(get(url, old), /protocol version/);
    assert.equal((await get(url, { maxVersion: 'TLSv1.2' })).status, 200);
    const newest = await start(t, `${TLS}, min_version: TLS13}`);
    await assert.rejects(get(newest.url, { maxVersion: 'TLSv1.2' }), /protocol version/);
  });

  it('keeps to its ciphers, and to its own order of them', async (t) => {
    const { url, port } = await start(
      t,
      `${TLS}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}`,
    );
    const refused = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' } as const;
    await assert.rejects(get(url, refused), /handshake failure/);
    const both = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';
    const socket = connect({ port, host: 'localhost', ca: pem('ca.pem'), maxVersion: 'TLSv1.2', ciphers: both });
    await once(socket, 'secureConnect');
    assert.equal(socket.getCipher().name, 'ECDHE-ECDSA-AES256-GCM-SHA384');
    socket.destroy();
  });

  it('hangs up on plain HTTP and on nonsense, and goes on', async (t) => {
    const { url, port } = await start(t, `${TLS}}`);
    for (const nonsense of [
      'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n',
      '\x16\x03\x01\xff\xff',
      'x'.repeat(20_000),
      '\0',
    ]) {
      const socket = connectPlain(port, '127.0.0.1').setEncoding('latin1');
      socket.on('error', () => {});
      socket.end(nonsense);
      let said = '';
      socket.on('data', (text: string) => (said += text));
      await once(socket, 'close');
      assert.doesNotMatch(said, /a_total|HTTP\/1\.1 200/);
    }
    assert.equal((await get(url)).status, 200);
  });

  it('adds the headers that are asked for, to refusals too, and no others', async (t) => {
    const plain = await start(t, `${TLS}}`);
    assert.equal((await get(`${plain.url}/healthz`)).headers['strict-transport-security'], undefined);
    const { url } = await start(
      t,
      `${TLS}}\nhttp_server_config: {headers: {Strict-Transport-Security: max-age=60, X-Frame-Options: deny}}\nbasic_auth_users: {a: ${aHash('b')}}`,
    );
    const { status, headers } = await get(url);
    assert.deepEqual(
      [status, headers['strict-transport-security'], headers['x-frame-options']],
      [401, 'max-age=60', 'deny'],
    );
  });
});

describe('client certificates', () => {
  type Outcome = 'in' | 'out';
  const table: readonly [type: string, none: Outcome, right: Outcome, wrong: Outcome][] = [
    ['NoClientCert', 'in', 'in', 'in'],
    ['RequestClientCert', 'in', 'in', 'in'],
    ['RequireAnyClientCert', 'out', 'in', 'in'],
    ['VerifyClientCertIfGiven, client_ca_file: ca.pem', 'in', 'in', 'out'],
    ['RequireAndVerifyClientCert, client_ca_file: ca.pem', 'out', 'in', 'out'],
  ];
  for (const [type, none, right, wrong] of table) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`with ${type} over ${maxVersion}: none ${none}, a good one ${right}, one of another authority ${wrong}`, async (t) => {
        const { url, warnings } = await start(t, `${TLS}, client_auth_type: ${type}}`);
        for (const [options, outcome] of [
          [{}, none],
          [client('client'), right],
          [client('stranger'), wrong],
        ] as const) {
          const answer = get(`${url}/metrics`, { ...options, maxVersion });
          if (outcome === 'in') assert.equal((await answer).status, 200);
          else await assert.rejects(answer, closed);
        }
        assert.equal(warnings.length, [none, right, wrong].includes('out') ? 1 : 0, 'one warning a minute');
      });
    }
  }

  it('of a server, not of a client, do not let in', async (t) => {
    const { url } = await start(t, `${VERIFIED}}`);
    await assert.rejects(get(url, client('server')), closed);
  });

  it('are let in by any of their names, and by nothing else', async (t) => {
    for (const san of [
      'prometheus.example',
      '10.1.2.3',
      "'2001:db8::1'",
      'sre@example.org',
      'spiffe://example.org/prometheus',
    ]) {
      const { url } = await start(t, `${VERIFIED}, client_allowed_sans: [no.example, ${san}]}`);
      assert.equal((await get(url, client('client'))).status, 200, san);
      await assert.rejects(get(url, client('nameless')), closed);
    }
    const { url } = await start(t, `${VERIFIED}, client_allowed_sans: [client, '*.example', example, 10.1.2.30]}`);
    await assert.rejects(get(url, client('client')), closed);
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`cannot be left out by resuming a session of ${maxVersion}`, async (t) => {
      const { port } = await start(t, `${VERIFIED}}`);
      const dial = (options: ConnectionOptions) =>
        connect({ port, host: 'localhost', ca: pem('ca.pem'), maxVersion, ...options }).on('error', () => {});
      for (const first of [{}, client('client')]) {
        const sessions: Buffer[] = [];
        const socket = dial(first).on('session', (session) => sessions.push(session));
        socket.on('secureConnect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
        socket.resume();
        await gone(socket);
        for (const session of sessions) {
          const again = dial({ session });
          again.on('secureConnect', () => again.write('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
          let said = '';
          again.setEncoding('utf8').on('data', (text: string) => (said += text));
          await gone(again);
          assert.equal(said, '');
        }
      }
    });
  }
});

describe('what costs more than it should', () => {
  const dialTls = async (port: number, request = ''): Promise<TLSSocket> => {
    const socket = connect({ port, host: 'localhost', ca: pem('ca.pem') });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.pause();
    socket.write(request);
    return socket;
  };
  const dialPlain = async (port: number): Promise<Socket> => {
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  const endless = { render: async () => 'x'.repeat(32 * 1024 * 1024) };
  const connections = (server: { getConnections(done: (error: Error | null, count: number) => void): unknown }) =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  const ends = (server: Parameters<typeof connections>[0]) =>
    waitFor(async () => (await connections(server)) === 0, { what: 'the connection to end' });

  it('is a handshake that never ends', async (t) => {
    const { app, port } = await start(t, `${TLS}}`, { limits: { requestMs: 100 } });
    for (const begin of ['', '\x16\x03\x01']) {
      const socket = await dialPlain(port);
      socket.write(begin, 'latin1');
      socket.resume();
      await once(socket, 'close');
    }
    await ends(app.server);
  });

  it('is a request that never ends', async (t) => {
    const { app, port } = await start(t, `${TLS}}`, { limits: { requestMs: 200 } });
    const socket = await dialTls(port, 'GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    socket.resume();
    await once(socket, 'close');
    await ends(app.server);
  });

  it('is a client that does not read, or a little now and then', async (t) => {
    const { app, port } = await start(t, `${TLS}}`, { registry: endless, limits: { idleMs: 300 } });
    const socket = await dialTls(port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await ends(app.server);
    socket.destroy();
    const slow = await start(t, `${TLS}}`, { registry: endless, limits: { responseMs: 500 } });
    const sipping = await dialTls(slow.port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    const sip = setInterval(() => sipping.read(1000), 20);
    t.after(() => clearInterval(sip));
    await ends(slow.app.server);
    sipping.destroy();
  });

  it('is one connection too many', async (t) => {
    const { port } = await start(t, `${TLS}}`, { limits: { connections: 2 } });
    const sockets = [await dialPlain(port), await dialPlain(port), await dialPlain(port)];
    const refused = sockets[2] as Socket;
    refused.resume();
    await once(refused, 'close');
    for (const socket of sockets) socket.destroy();
  });

  it('is nothing that stopping waits for', async (t) => {
    const { app, url, port } = await start(t, `${TLS}}`, { registry: endless });
    const agent = new Agent({ keepAlive: true });
    await get(`${url}/healthz`, { agent });
    const sockets = [
      await dialPlain(port),
      await dialTls(port),
      await dialTls(port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'),
    ];
    await waitFor(async () => (await connections(app.server)) >= 4, { what: 'the connections' });
    await inTime(app.close(), 'the server');
    for (const socket of sockets) socket.destroy();
    agent.destroy();
  });

  it('is a request over the rate limit', async (t) => {
    const { url } = await start(t, `${TLS}}\nrate_limit: {interval: 1h, burst: 2}`);
    const statuses = [];
    for (let turn = 0; turn < 3; turn++) statuses.push((await get(`${url}/metrics`)).status);
    assert.deepEqual(statuses, [200, 200, 429]);
  });
});

describe('a reload', () => {
  it('brings a renewed certificate to the next connection, and ends those that are kept alive', async (t) => {
    const { folder, url, later } = await start(t, `${TLS}}`);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const first = await get(url, { agent });
    folder.copy('renewed.pem', 'server.pem');
    folder.copy('renewed.key', 'server.key');
    assert.equal((await get(url)).fingerprint, first.fingerprint, 'not before a second has passed');
    later();
    const last = await get(url, { agent });
    assert.deepEqual([last.fingerprint, last.headers.connection], [first.fingerprint, 'close']);
    const renewed = await get(url, { agent });
    assert.notEqual(renewed.fingerprint, first.fingerprint);
    assert.equal(renewed.headers.connection, 'keep-alive');
  });

  it('follows the symbolic links of a Kubernetes secret', async (t) => {
    const { url, later, folder } = await start(t, TLS_OF_SECRET, {}, (secret) => publish(secret, '..1', 'server'));
    const first = await get(url);
    publish(folder.folder, '..2', 'renewed');
    later();
    assert.notEqual((await get(url)).fingerprint, first.fingerprint);
  });

  it('brings another client authority, other demands and other names', async (t) => {
    const { folder, url, later } = await start(t, `${TLS}}`);
    assert.equal((await get(url)).status, 200);
    folder.write(`${VERIFIED}}`);
    later();
    await assert.rejects(get(url), closed);
    assert.equal((await get(url, client('client'))).status, 200);
    folder.copy('other-ca.pem', 'ca.pem');
    later();
    await assert.rejects(get(url, client('client')), closed);
    assert.equal((await get(url, client('stranger'))).status, 200);
    folder.write(`${VERIFIED}, client_allowed_sans: [no.example]}`);
    later();
    await assert.rejects(get(url, client('stranger')), closed);
  });

  it('hangs up on a connection that was let in under other conditions', async (t) => {
    const { folder, url, later } = await start(t, `${TLS}}`);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    assert.equal((await get(url, { agent })).status, 200);
    folder.write(`${VERIFIED}}`);
    later();
    await assert.rejects(get(url, { agent }), closed);
  });

  it('judges a client by what was in force when its handshake began', async (t) => {
    const { folder, url, port, later } = await start(t, `${VERIFIED}}`);
    const raw = connectPlain(port, '127.0.0.1');
    await once(raw, 'connect');
    // The server has seen the connection once it answers another one.
    await get(url, client('client'));
    folder.copy('other-ca.pem', 'ca.pem');
    later();
    assert.equal((await get(url, client('stranger'))).status, 200);
    const socket = connect({ socket: raw, host: 'localhost', ca: pem('ca.pem'), ...client('client') });
    socket.on('error', () => {});
    socket.on('secureConnect', () => socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'));
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => (said += text));
    await gone(socket);
    assert.equal(said, '');
  });

  it('brings other users to the next request', async (t) => {
    const { folder, url, later } = await start(t, `${TLS}}\nbasic_auth_users: {a: ${aHash('1')}}`);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    assert.equal((await get(url, { agent, auth: 'a:1' })).status, 200);
    folder.write(`${TLS}}\nbasic_auth_users: {b: ${aHash('2')}}`);
    later();
    assert.equal((await get(url, { agent, auth: 'a:1' })).status, 401);
    assert.equal((await get(url, { agent, auth: 'b:2' })).status, 200);
  });

  describe('ends open event streams', () => {
    /** A server that streams events, and one that follows them as user a. */
    async function following(t: TestContext, text: string, heartbeatMs = 60_000) {
      const feed = new StreamSink({ ringSize: 8 });
      let open = 0;
      const accounting = { subscribers: (count: number) => void (open = count), dropped() {}, missed() {} };
      const started = await start(t, text, { events: { feed, limits: { subscribers: 4, heartbeatMs }, accounting } });
      const authorization = `Basic ${Buffer.from('a:1').toString('base64')}`;
      const follow = async (headers: Record<string, string> = {}): Promise<StreamReader> => {
        const reader = await StreamReader.open(started.url, '/events', { authorization, ...headers });
        t.after(() => reader.close());
        return reader.until(({ status, body }) => status >= 400 || body !== '', 'the head of the stream');
      };
      return { ...started, feed, follow, open: () => open };
    }
    const users = (name: string): string => `basic_auth_users: {${name}: ${aHash('1')}}`;
    const goodbye = /: users or certificates have changed: come back\nretry: 3000\n\n$/;

    it('when users change, before the next event goes out; who is still one goes on where it was', async (t) => {
      const { folder, feed, follow, later, open } = await following(t, `${users('a')}`);
      const reader = await follow();
      feed.accept(recordOf(anEvent()));
      await reader.until(({ events }) => events.length === 1, 'the first event');
      folder.write(users('a').replace('}', `, b: ${aHash('2')}}`));
      later();
      feed.accept(recordOf(anEvent({ sequence: 2 })));
      await reader.until(({ body }) => goodbye.test(body), 'the end of the stream');
      assert.equal(reader.events.length, 1);
      assert.equal(open(), 0);
      const back = await follow({ 'last-event-id': reader.lastId });
      await back.until(({ events }) => events.length === 1, 'the event that was held back');
      folder.write(users('b'));
      later();
      feed.accept(recordOf(anEvent({ sequence: 3 })));
      await back.until(({ body }) => goodbye.test(body), 'the end of the stream');
      assert.equal((await follow({ 'last-event-id': back.lastId })).status, 401);
    });

    it('when users change and nothing happens, with the next heartbeat', async (t) => {
      const { folder, follow, later } = await following(t, users('a'), 20);
      const reader = await follow();
      await reader.until(({ body }) => body.includes('heartbeat'), 'a heartbeat');
      folder.write(users('b'));
      later();
      await reader.until(({ body }) => goodbye.test(body), 'the end of the stream');
    });

    it('when the certificate is renewed, and not when other things change', async (t) => {
      const { folder, feed, port, later, open } = await following(t, `${TLS}}`);
      const socket = connect({ port, host: 'localhost', ca: pem('ca.pem') });
      t.after(() => socket.destroy());
      let said = '';
      socket.setEncoding('utf8').on('data', (text: string) => (said += text));
      socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await waitFor(open, { what: 'the stream' });
      folder.write(`${TLS}}\nhttp_server_config: {headers: {X-Frame-Options: deny}}`);
      later();
      feed.accept(recordOf(anEvent()));
      await waitFor(() => said.includes('event: xe.vm.rebind_error'), { what: 'an event' });
      folder.copy('renewed.pem', 'server.pem');
      folder.copy('renewed.key', 'server.key');
      later();
      feed.accept(recordOf(anEvent()));
      await waitFor(() => said.includes('users or certificates have changed'), { what: 'the end of the stream' });
      assert.equal(said.match(/event: xe/g)?.length, 1);
    });
  });

  it('of files that are broken keeps everybody out who was out', async (t) => {
    const text = `${VERIFIED}}\nbasic_auth_users: {a: ${aHash('1')}}`;
    const { folder, url, later } = await start(t, text);
    for (const broken of ['', undefined, '{', 'basic_auth_users:\n', `${TLS}}\n`]) {
      folder.write(broken ?? '');
      if (broken === undefined) folder.write(undefined);
      later();
      await assert.rejects(get(url), closed);
      assert.equal((await get(url, client('client'))).status, 401);
      assert.equal((await get(url, { ...client('client'), auth: 'a:1' })).status, 200);
    }
  });
});

describe('the health server', () => {
  it('answers probes without anything, and nobody else', async (t) => {
    const health = createHealthServer({ readiness, logger: silent });
    t.after(() => health.close());
    const url = await listenHttp(health, { host: '127.0.0.1', port: 0 });
    assert.match(url, /^http:/);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.equal(await (await fetch(`${url}/readyz`)).text(), 'All is well.\n');
    for (const path of ['/metrics', '/', '/events']) {
      const answer = await fetch(`${url}${path}`);
      assert.deepEqual([answer.status, await answer.text()], [404, 'Not found. There is /healthz, /readyz.\n']);
    }
    assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 404);
    assert.equal((await fetch(`${url}/healthz`, { method: 'POST' })).status, 405);
  });
});
