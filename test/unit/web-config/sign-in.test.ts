import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, it, type TestContext } from 'node:test';
import bcrypt from 'bcryptjs';
import { createHttpServer, listenHttp } from '../../../exporter/http/server.js';
import { BcryptThread } from '../../../exporter/web-config/bcrypt-thread.js';
import { WebGuard } from '../../../exporter/web-config/guard.js';
import { SignIn, type Verdict } from '../../../exporter/web-config/sign-in.js';
import { aNodeStatus } from '../../helpers/node-status.js';
import { waitFor } from '../../helpers/wait-for.js';
import { aHash, WebConfigFolder } from '../../helpers/web-config.js';

const here = { peer: '127.0.0.1', isGone: () => false };
const from = (peer: string) => ({ ...here, peer });

function signIn(t: TestContext, users: Readonly<Record<string, string>>): SignIn {
  const made = new SignIn(new Map(Object.entries(users)));
  t.after(() => made.close());
  return made;
}

const count = (verdicts: readonly Verdict[], wanted: Verdict) =>
  verdicts.filter((verdict) => verdict === wanted).length;

describe('a sign-in', () => {
  it('needs a user and their password, by whichever kind of bcrypt', async (t) => {
    const hash = bcrypt.hashSync('right', 4);
    const users = signIn(t, {
      a: hash,
      b: hash.replace('$2b$', '$2y$'),
      c: hash.replace('$2b$', '$2a$'),
      ä: aHash('ö€'),
    });
    for (const user of ['a', 'b', 'c']) assert.equal(await users.check({ user, password: 'right' }, here), 'accepted');
    assert.equal(await users.check({ user: 'ä', password: 'ö€' }, here), 'accepted');
    for (const [user, password] of [
      ['a', 'wrong'],
      ['a', ''],
      ['', 'right'],
      ['x', 'right'],
      ['a', 'right '],
      ['__proto__', 'right'],
      ['a', hash],
    ] as const) {
      assert.equal(await users.check({ user, password }, here), 'refused', `${user}:${password}`);
    }
  });

  it('costs one bcrypt for a crowd, and none once it is known', async (t) => {
    const users = signIn(t, { a: bcrypt.hashSync('right', 9) });
    const right = { user: 'a', password: 'right' };
    const begin = performance.now();
    assert.equal(await users.check(right, here), 'accepted');
    const first = performance.now() - begin;
    const crowd = performance.now();
    const verdicts = await Promise.all(Array.from({ length: 500 }, () => users.check(right, here)));
    assert.equal(count(verdicts, 'accepted'), 500);
    assert.ok(performance.now() - crowd < first * 250, 'not five hundred times as long');
    users.setUsers(new Map([['a', bcrypt.hashSync('right', 9)]]));
    const together = await Promise.all(Array.from({ length: 500 }, () => users.check(right, here)));
    assert.equal(count(together, 'accepted'), 500);
  });

  it('takes as long for a user that is not there', async (t) => {
    const users = signIn(t, { a: bcrypt.hashSync('right', 9) });
    await users.check({ user: 'a', password: 'warms up' }, here);
    const time = async (user: string, password: string): Promise<number> => {
      const begin = performance.now();
      assert.equal(await users.check({ user, password }, here), 'refused');
      return performance.now() - begin;
    };
    const [known, unknown] = [[] as number[], [] as number[]];
    for (let turn = 0; turn < 7; turn++) {
      known.push(await time('a', `wrong ${turn}`));
      unknown.push(await time('nobody', `wrong ${turn}`));
    }
    const ratio = Math.min(...unknown) / Math.min(...known);
    assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`);
  });

  it('is forgotten when the users change', async (t) => {
    const users = signIn(t, { a: aHash('1') });
    assert.equal(await users.check({ user: 'a', password: '1' }, here), 'accepted');
    users.setUsers(new Map([['a', aHash('2')]]));
    assert.equal(await users.check({ user: 'a', password: '1' }, here), 'refused');
    assert.equal(await users.check({ user: 'a', password: '2' }, here), 'accepted');
  });

  it('is not decided by users who are no more when it is done', async (t) => {
    const users = signIn(t, { a: aHash('1') });
    const verdict = users.check({ user: 'a', password: '1' }, here);
    users.setUsers(new Map([['b', aHash('1')]]));
    assert.equal(await verdict, 'busy');
    assert.equal(await users.check({ user: 'a', password: '1' }, here), 'refused');
  });

  it('is turned away when too many wait, and the rest get their turn', async (t) => {
    const users = signIn(t, { a: aHash('right') });
    const flood = Array.from({ length: 200 }, (_, turn) => users.check({ user: 'a', password: `${turn}` }, here));
    const all = await Promise.all(flood);
    assert.deepEqual([count(all, 'refused'), count(all, 'busy')], [128, 72]);
  });

  it('costs no second bcrypt when it was wrong, and a flood of wrong ones does not make a right one forgotten', async (t) => {
    const users = signIn(t, { a: aHash('right') });
    const checks = t.mock.method(BcryptThread.prototype, 'compare');
    const right = { user: 'a', password: 'right' };
    await users.check(right, here);
    for (let guess = 0; guess < 300; guess++) await users.check({ user: 'a', password: `${guess}` }, here);
    assert.equal(checks.mock.callCount(), 301);
    assert.equal(await users.check(right, here), 'accepted');
    assert.equal(await users.check({ user: 'a', password: '299' }, here), 'refused');
    assert.equal(checks.mock.callCount(), 301);
  });

  it('of a network that had no turn yet comes before the guesses of those that had', async (t) => {
    const users = signIn(t, { a: aHash('right') });
    const checks = t.mock.method(BcryptThread.prototype, 'compare');
    const guess = (turn: number) => users.check({ user: 'a', password: `${turn}` }, from(`10.0.0.${turn % 4}`));
    // Every network of the flood has had a turn, and waits for more.
    await Promise.all([0, 1, 2, 3].map(guess));
    const flood = Array.from({ length: 80 }, (_, turn) => guess(4 + turn));
    const before = checks.mock.callCount();
    assert.equal(await users.check({ user: 'a', password: 'right' }, from('10.0.0.9')), 'accepted');
    assert.ok(checks.mock.callCount() - before <= 2, 'after the check under way');
    await Promise.all(flood);
  });

  it('gets its turn the second time it comes, also from the network of a flood of guesses', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const users = signIn(t, { a: aHash('right') });
    let free: () => void = () => undefined;
    const compare = t.mock.method(
      BcryptThread.prototype,
      'compare',
      ({ password }: { password: string }) =>
        new Promise<boolean>((resolve) => (free = () => resolve(password === 'right'))),
    );
    const passwords = () => compare.mock.calls.map(({ arguments: [question] }) => question.password);
    const guess = (turn: number) => users.check({ user: 'a', password: `${turn}` }, here);
    const early = Array.from({ length: 60 }, (_, turn) => guess(turn));
    const first = users.check({ user: 'a', password: 'right' }, here);
    t.mock.timers.tick(8000);
    assert.equal(await first, 'busy');
    const late = Array.from({ length: 60 }, (_, turn) => guess(100 + turn));
    const second = users.check({ user: 'a', password: 'right' }, here);
    free();
    await waitFor(() => (t.mock.timers.tick(1000), passwords().length === 2), { what: 'the next check' });
    assert.deepEqual(passwords(), ['0', 'right']);
    free();
    assert.equal(await second, 'accepted');
    t.mock.timers.tick(8000);
    await Promise.all([...early, ...late]);
  });

  it('of a visitor who left makes room', async (t) => {
    const users = signIn(t, { a: aHash('right') });
    const gone = { peer: '10.0.0.1', isGone: () => true };
    const left = Array.from({ length: 100 }, (_, turn) => users.check({ user: 'a', password: `wrong ${turn}` }, gone));
    assert.equal(await users.check({ user: 'a', password: 'right' }, here), 'accepted');
    await Promise.all(left);
  });

  it('survives its thread', async (t) => {
    const users = signIn(t, { a: aHash('right') });
    const verdict = users.check({ user: 'a', password: 'right' }, here);
    users.close();
    assert.equal(await verdict, 'busy');
    assert.equal(await users.check({ user: 'a', password: 'right' }, here), 'accepted');
  });
});

describe('basic authentication', () => {
  async function start(t: TestContext, cost: number) {
    const folder = WebConfigFolder.create(t, `basic_auth_users: {prometheus: ${bcrypt.hashSync('right', cost)}}\n`);
    const silent = { fatal() {}, error() {}, warn() {}, info() {}, debug() {} };
    const app = createHttpServer({
      registry: { render: async () => 'a_total 1\n' },
      readiness: () => ({ ready: true, reason: 'All is well.' }),
      status: async () => aNodeStatus(),
      devices: () => [],
      logger: silent,
      guard: new WebGuard(folder.path, silent),
      // The machine of the test may be slow: nobody is sent away for waiting.
      limits: { connections: 1000, idleMs: 120_000, responseMs: 120_000 },
    });
    t.after(() => app.close());
    const url = await listenHttp(app, { host: '127.0.0.1', port: 0 });
    const as = (text: string, path = '/metrics', method = 'GET', signal?: AbortSignal) =>
      fetch(`${url}${path}`, {
        method,
        signal: signal ?? null,
        headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` },
      });
    return { url, as };
  }

  it('covers every path, and says how to sign in', async (t) => {
    const { url, as } = await start(t, 4);
    for (const path of ['/metrics', '/', '/healthz', '/readyz', '/nothing', '/metrics?x=1']) {
      const reply = await fetch(`${url}${path}`);
      assert.equal(reply.status, 401, path);
      assert.equal(reply.headers.get('www-authenticate'), 'Basic realm="xe-exporter", charset="UTF-8"');
      assert.equal(reply.headers.get('cache-control'), 'no-store');
      assert.match(await reply.text(), /^Unauthorized[^\n]*\n$/);
      assert.equal((await fetch(`${url}${path}`, { method: 'HEAD' })).status, 401, path);
      assert.equal((await as('prometheus:wrong', path)).status, 401);
      assert.equal((await as('prometheus:right', path)).status, path === '/nothing' ? 404 : 200);
    }
    assert.equal((await fetch(url, { headers: { authorization: 'Bearer x' } })).status, 401);
  });

  it('lets a scraper in through a flood of wrong passwords, and leaves the event loop alone', async (t) => {
    const { as } = await start(t, 10);
    assert.equal((await as('prometheus:right')).status, 200);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const end = new AbortController();
    const statuses = new Map<number, number>();
    const flood = Array.from({ length: 20 }, async (_, flooder) => {
      for (let turn = 0; !end.signal.aborted; turn++) {
        const answer = as(`prometheus:wrong ${flooder} ${turn}`, '/metrics', 'GET', end.signal);
        const status = await answer.then(
          (reply) => reply.status,
          () => 0,
        );
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    const scrapes: number[] = [];
    for (let turn = 0; turn < 50; turn++) {
      const begin = performance.now();
      assert.equal((await as('prometheus:right')).status, 200);
      scrapes.push(performance.now() - begin);
    }
    end.abort();
    await Promise.all(flood);
    delay.disable();
    assert.deepEqual(
      [...statuses.keys()].filter((status) => ![0, 401, 503].includes(status)),
      [],
    );
    scrapes.sort((one, other) => one - other);
    t.diagnostic(`scrape in the flood: median ${scrapes[25]?.toFixed(1)} ms, worst ${scrapes.at(-1)?.toFixed(1)} ms`);
    t.diagnostic(
      `event loop delay: p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, worst ${(delay.max / 1e6).toFixed(1)} ms`,
    );
    t.diagnostic(`answers to the flood: ${JSON.stringify([...statuses])}`);
  });
});
