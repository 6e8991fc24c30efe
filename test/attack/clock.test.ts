import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { waitFor } from '../helpers/wait-for.js';
import { Rightful } from './rightful.js';
import { IMAGE } from './container.js';
import { demo, SHORT, stop } from './target.js';

/** libfaketime changes what the C library says the time is; the monotonic clock stays true, as in a real jump. */
const LIBRARY = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketime.so.1`;

const JUMPS = [
  ['an hour ahead', '+3600'],
  ['a year ahead', '+31536000'],
  ['an hour back', '-3600'],
  ['a year back', '-31536000'],
] as const;

/** It would have to be preloaded in the image. The program, which has no clock of its own, is the same. */
const skip = IMAGE !== undefined && 'the clock is turned for the built program alone';

for (const [what, jump] of SHORT ? JUMPS.slice(1, 3) : JUMPS) {
  it(`a clock that jumps ${what} stops nothing and takes nothing from a counter`, { skip }, async (t) => {
    const clock = join(new FixtureTree(t).root, 'clock');
    writeFileSync(clock, '+0\n');
    const exporter = await demo(t, {
      args: ['--demo-rate=50'],
      env: {
        LD_PRELOAD: LIBRARY,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    const errors = async (): Promise<ReadonlyMap<string, number>> => {
      const all = await exporter.metrics();
      return new Map([...all].filter(([name]) => /_total(\{|$)/.test(name)));
    };
    const seen = async (): Promise<number> =>
      [...(await errors())].reduce(
        (sum, [name, value]) => sum + (/^xe_vm_rebind_errors_total/.test(name) ? value : 0),
        0,
      );
    await waitFor(async () => (await seen()) > 0, { what: 'events', deadlineMs: 30_000 });
    const before = await errors();
    const rightful = new Rightful(exporter.url);
    writeFileSync(clock, `${jump}\n`);
    await rightful.rounds(5);
    const counted = await seen();
    await waitFor(async () => (await seen()) > counted + 20, { what: 'events after the jump', deadlineMs: 30_000 });
    const after = await errors();
    for (const [name, value] of before) assert.ok((after.get(name) ?? 0) >= value, `${name} fell`);
    const body = await (await fetch(`${exporter.url}/events?format=json&limit=1`)).text();
    const time = Date.parse(/"time[^"]*":"([^"]+)"/i.exec(body)?.[1] ?? '');
    t.diagnostic(`newest event ${new Date(time).toISOString()}`);
    assert.deepEqual((await rightful.end()).failures, []);
    assert.equal((await stop(exporter)).code, 0);
  });
}

it('has its tool', () => void readFileSync(LIBRARY));
