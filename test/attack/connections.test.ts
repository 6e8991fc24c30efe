import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, describe, it, type TestContext } from 'node:test';
import type { ExporterProcess } from '../helpers/exporter-process.js';
import { inTime } from '../helpers/wait-for.js';
import { aHash, WebConfigFolder } from '../helpers/web-config.js';
import { basic, Crowd, get, type CrowdOptions } from './crowd.js';
import { Rightful } from './rightful.js';
import { ANSWER_MS, CHART_LIMIT, demo, forgetPeak, isAlive, memory, SHORT, signal, stop } from './target.js';

/** MiB that an attack may add; the answers that are not taken are 32 of it. */
const MOST_GROWTH = 96;
/** The same of one connection, which costs no more than one answer. */
const MOST_GROWTH_OF_ONE = 32;
const ROUNDS = SHORT ? 3 : 50;
const SIZE = SHORT ? 1000 : 3000;
/** More connections than one address may have, and fewer than the kernel keeps for a program that does not run. */
const BURST = 300;

/** A connection on which this has been sent. */
async function connected(url: string, sent: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  await new Promise((resolve) => socket.write(sent, resolve));
  return socket;
}

/** Lets a crowd attack while a scraper and two probes ask, and checks what that cost. */
async function withstand(
  t: TestContext,
  exporter: ExporterProcess,
  crowd: Omit<CrowdOptions, 'url'>,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const mostGrowth = crowd.size === 1 ? MOST_GROWTH_OF_ONE : MOST_GROWTH;
  forgetPeak(exporter);
  const before = await memory(exporter);
  const attackers = Crowd.gather(t, { ...crowd, url: exporter.url });
  const rightful = new Rightful(exporter.url, { headers, localAddress: '127.0.0.1' });
  await rightful.rounds(ROUNDS);
  const { asked, failures, worstMs, again } = await rightful.end();
  attackers.disperse();
  const after = await memory(exporter);
  const growth = Math.round(after.peak - before.rss);
  t.diagnostic(
    `${asked} answers, slowest ${worstMs} ms, ${again} at the second attempt, ${attackers.made} connections, peak +${growth} MiB`,
  );
  assert.deepEqual(failures, []);
  assert.ok(again <= asked / 3, `${again} of ${asked} had to ask again`);
  assert.ok(worstMs < ANSWER_MS);
  assert.ok(growth < mostGrowth, `${growth} MiB more`);
  assert.ok(after.peak < CHART_LIMIT - 32, `${after.peak} MiB`);
  assert.ok(await isAlive(exporter));
}

/** One exporter for all: what an attack leaves behind meets the next one. */
const fullRing = demo({ after }, { fullRing: true, args: ['--event-rate-limit-per-minute=0'] });

describe('pipelined requests', () => {
  const table: readonly [request: string, perConnection: number, connections: number][] = [
    [get('/events?format=json'), 1333, 1],
    [get('/events?format=json', {}, 'HEAD'), 1400, 1],
    [get('/'), 2100, 1],
    [get('/metrics'), 1700, 20],
    [get('/events?format=json'), 1333, SHORT ? 64 : 500],
    [get('/events'), 1700, 20],
  ];
  for (const [request, perConnection, connections] of SHORT ? table.slice(0, 5) : table) {
    const what = request.slice(0, request.indexOf(' HTTP'));
    it(`${perConnection} x ${what} on ${connections} connections`, async (t) => {
      await withstand(t, await fullRing, { size: connections, text: request.repeat(perConnection) });
    });
  }
});

describe(`${SIZE} connections`, () => {
  const crowds: readonly [what: string, crowd: Omit<CrowdOptions, 'url' | 'size'>][] = [
    ['that stay idle after one answer, and come back', { text: get('/healthz'), reads: true, returns: true }],
    ['that say nothing, and come back', { text: '', returns: true }],
    ['with a request that does not end', { text: 'GET /metrics HTTP/1.1\r\nX: ', returns: true }],
    ['that read nothing of the largest document', { text: get('/events?format=json') }],
    ['that read nothing of an event stream', { text: get('/events') }],
    ['from three addresses', { text: get('/'), from: ['127.0.0.2', '127.0.0.3', '127.0.0.4'], returns: true }],
  ];
  for (const [what, crowd] of SHORT ? crowds.slice(0, 4) : crowds) {
    it(what, async (t) => {
      await withstand(t, await fullRing, { ...crowd, size: SIZE });
    });
  }

  it('that come behind a request, from the same address and all at once, do not cut it off', async (t) => {
    const exporter = await fullRing;
    // What arrives now lies in the kernel, in this order, until it goes on.
    signal(exporter, 'SIGSTOP');
    t.after(() => signal(exporter, 'SIGCONT'));
    const first = await connected(exporter.url, get('/metrics', { connection: 'close' }));
    for (let count = 0; count < BURST; count++) {
      const other = await connected(exporter.url, 'GET /metrics HTTP/1.1\r\nX: ');
      other.on('error', () => undefined);
      t.after(() => other.destroy());
    }
    const answer = text(first);
    signal(exporter, 'SIGCONT');
    assert.match(await inTime(answer, 'the answer'), /^HTTP\/1\.1 200 /);
  });

  it('leave nothing behind that keeps it from stopping', async () => {
    const { code, ms } = await stop(await fullRing);
    assert.equal(code, 0);
    assert.ok(ms < ANSWER_MS, `${ms} ms`);
  });

  it('that stay idle after a 401', async (t) => {
    const folder = WebConfigFolder.create(t, `basic_auth_users: {prometheus: ${aHash('right')}}\n`);
    const exporter = await demo(t, { args: [`--web-config-file=${folder.path}`] });
    const crowd = { size: SIZE, text: get('/healthz'), reads: true, returns: true };
    await withstand(t, exporter, crowd, basic('prometheus', 'right'));
  });

  it('do not reach the probes on a port of their own', { skip: SHORT }, async (t) => {
    const exporter = await demo(t, { args: ['--health-address=127.0.0.1:0', '--log-level=debug'] });
    const health = exporter.log.find(({ msg }) => /served without authentication/.test(String(msg)))?.['url'];
    await withstand(t, exporter, { size: SIZE, text: get('/healthz'), reads: true, returns: true });
    const probes = await fetch(`${String(health)}/healthz`);
    assert.equal(probes.status, 200);
  });
});
