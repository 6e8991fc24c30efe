import assert from 'node:assert/strict';
import { request } from 'node:http';
import { it, type TestContext } from 'node:test';
import bcrypt from 'bcryptjs';
import { WebConfigFolder } from '../helpers/web-config.js';
import { basic } from './crowd.js';
import { ask } from './rightful.js';
import { ANSWER_MS, demo, memory, SHORT } from './target.js';

const GUESSERS = 24;
/** What one check may cost here beyond its time alone: the guessers and the exporter's other threads share two cores with it. */
const BUSY = 4;

/** Threads of guesses, each on its next one as soon as it has an answer, until the test ends. */
function guess(t: TestContext, url: string, from: readonly string[]): { count: () => number } {
  let [count, ended] = [0, false];
  const next = (guesser: number): void => {
    if (ended) return;
    const headers = basic('prometheus', `${guesser} ${count++}`);
    const options = { agent: false, headers, localAddress: from[guesser % from.length], timeout: 30_000 };
    const sent = request(`${url}/metrics`, options, (response) => response.resume());
    sent.on('error', () => undefined).on('close', () => setTimeout(() => next(guesser), 10).unref());
    sent.end();
  };
  for (let guesser = 0; guesser < GUESSERS; guesser++) next(guesser);
  t.after(() => (ended = true));
  return { count: () => count };
}

async function attacked(t: TestContext, cost: number) {
  const folder = WebConfigFolder.create(t, `basic_auth_users: {prometheus: ${bcrypt.hashSync('right', cost)}}\n`);
  const exporter = await demo(t, { args: [`--web-config-file=${folder.path}`] });
  const begin = performance.now();
  await bcrypt.compare('x', bcrypt.hashSync('y', cost));
  return { exporter, checkMs: (performance.now() - begin) / 2 };
}

const scrape = (url: string, localAddress: string, timeout: number) =>
  ask(`${url}/metrics`, { headers: basic('prometheus', 'right'), localAddress, timeout });

for (const [cost, addresses] of SHORT
  ? [[12, 4]]
  : [
      [10, 1],
      [10, 4],
      [12, 4],
      [14, 1],
      [14, 4],
    ]) {
  it(`guesses at cost ${cost} from ${addresses} addresses delay a scraper that is new by a few checks`, async (t) => {
    const { exporter, checkMs } = await attacked(t, cost ?? 0);
    const from = Array.from({ length: addresses ?? 1 }, (_, index) => `127.0.0.${10 + index}`);
    const guesses = guess(t, exporter.url, from);
    const begin = performance.now();
    // A new scraper asks once, and again only when it was turned away.
    const statuses: number[] = [];
    while (statuses.at(-1) !== 200 && statuses.length < 4) {
      statuses.push((await scrape(exporter.url, '127.0.0.9', 30_000)).status);
    }
    const ms = performance.now() - begin;
    // The check under way, one of each other new address, its own, and a second of rest.
    const boundMs = 1000 + (from.length + 2) * checkMs * BUSY;
    t.diagnostic(
      `${statuses.join(' ')} after ${Math.round(ms)} ms; a check takes ${Math.round(checkMs)} ms; ${guesses.count()} guesses`,
    );
    assert.equal(statuses.at(-1), 200);
    assert.ok(ms < Math.max(boundMs, ANSWER_MS), `${ms} ms, bound ${boundMs} ms`);
    assert.ok((await memory(exporter)).peak < 160);
  });
}

it('guesses from the address of the scraper turn it away once, and let it in when it comes again', async (t) => {
  const { exporter } = await attacked(t, SHORT ? 12 : 14);
  guess(t, exporter.url, ['127.0.0.9']);
  const statuses: number[] = [];
  while (statuses.at(-1) !== 200 && statuses.length < 3) {
    statuses.push((await scrape(exporter.url, '127.0.0.9', 30_000)).status);
  }
  t.diagnostic(statuses.join(' '));
  assert.deepEqual(
    statuses.filter((status) => status !== 503),
    [200],
  );
});
