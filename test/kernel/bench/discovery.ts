// What discovery costs, one mode after the other in one guest of kernel 7.x. Guest side; the last line it prints is JSON.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { processMemory, processTime } from '../../bench/process.js';
import { median, percentile } from '../../bench/statistics.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, RENDER0, startClient, waitFor, type GuestClient } from '../guest-lib.js';
import {
  CHURN_SECONDS,
  CLIENTS,
  HOLDERS,
  IDLE_SECONDS,
  MANY_CLIENTS,
  MODES,
  OPENS,
  PROCESSES,
  SCAN_SECONDS,
  type Cost,
  type Mode,
} from './plan.js';

const SETTLE_MS = 1_500;
/** What a look at /proc delays by up to the interval is opened at every moment of two intervals. */
const OPEN_EVERY_MS: Record<Mode, number> = { debugfs: 50, auto: 50, proc: (2 * SCAN_SECONDS * 1000) / OPENS };
const CHURN_FILE_MS = 50;

const isWatched = ({ watches }: { watches: number }): boolean => watches === 1;

/** Processes that hold no GPU, until the guest is as full as planned. */
async function fill(): Promise<void> {
  const running = (): number => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
  // The holders and the exporter come later.
  const missing = PROCESSES - HOLDERS - 1 - running();
  for (let i = 0; i < missing; i++) spawn('sleep', ['infinity'], { stdio: 'ignore' }).unref();
  await waitFor('the processes', () => running() >= PROCESSES - HOLDERS - 1);
}

/** Opens files, spread evenly over the holders, until there are `count` clients and each is watched. */
async function growTo(count: number, holders: readonly GuestClient[]): Promise<void> {
  const each = (count - driverState().clients.length) / holders.length;
  await Promise.all(
    holders.map(async (holder) => {
      for (let i = 0; i < each; i++) assert.equal((await holder.send(`open ${RENDER0}`)).ok, true);
    }),
  );
  await allWatched(count);
}

async function allWatched(count: number): Promise<void> {
  const reached = (): boolean => {
    const { clients } = driverState();
    return clients.length === count && clients.every(isWatched);
  };
  await waitFor(`${count} clients, all watched`, () => reached() || sleep(250, false), 60_000);
}

async function rss(pid: number): Promise<number> {
  await sleep(SETTLE_MS);
  return (await processMemory(pid)).rss;
}

/** CPU seconds an hour, from the share of it that the work takes. */
async function cpuPerHour(pid: number, work: () => Promise<unknown>): Promise<number> {
  const [begin, before] = [performance.now(), await processTime(pid)];
  await work();
  const seconds = (performance.now() - begin) / 1000;
  return (((await processTime(pid)) - before) / seconds) * 3600;
}

/** Milliseconds from each open to its watch; all opens are under way at once, so that slow ones do not add up. */
async function attachTimes(mode: Mode, client: GuestClient): Promise<number[]> {
  const times: number[] = [];
  const pending = new Map<number, number>();
  const opening = (async () => {
    for (let i = 0; i < OPENS; i++) {
      const since = performance.now();
      pending.set((await client.send(`open ${RENDER0}`)).client!, since);
      await sleep(OPEN_EVERY_MS[mode] - (performance.now() - since));
    }
  })();
  const end = performance.now() + 60_000;
  while (times.length < OPENS) {
    assert.ok(performance.now() < end, `${times.length} of ${OPENS} are watched after a minute`);
    if (pending.size > 0) {
      for (const { id } of driverState().clients.filter(isWatched)) {
        const since = pending.get(id);
        if (since !== undefined && pending.delete(id)) times.push(performance.now() - since);
      }
    }
    // Asking takes the only processor from the exporter.
    await sleep(mode === 'proc' ? 10 : 1);
  }
  await opening;
  return times;
}

async function measure(mode: Mode): Promise<Cost> {
  const exporter = await ExporterProcess.serve({
    args: [`--discovery=${mode}`, `--scan-interval=${SCAN_SECONDS}s`],
    execArgv: ['--v8-pool-size=1', '--optimize-for-size'],
  });
  const pid = exporter.child.pid!;
  const holders = await Promise.all(Array.from({ length: HOLDERS }, () => startClient({ files: [] })));
  const rssNone = await rss(pid);

  await growTo(CLIENTS, holders);
  const rssUsual = await rss(pid);
  const idleSteps: number[] = [];
  const cpuIdle = await cpuPerHour(pid, async () => {
    for (let i = 0; i < IDLE_SECONDS[mode] / SCAN_SECONDS; i++) {
      const before = await processTime(pid);
      await sleep(SCAN_SECONDS * 1000);
      idleSteps.push(Number(((await processTime(pid)) - before).toFixed(2)));
    }
  });

  const opener = await startClient({ files: [] });
  const attach = await attachTimes(mode, opener);
  await opener.exit();
  await allWatched(CLIENTS);

  const churner = await startClient({ files: [] });
  const files = (CHURN_SECONDS * 1000) / CHURN_FILE_MS;
  const begin = performance.now();
  const cpuChurn = await cpuPerHour(pid, () =>
    churner.send(`churn ${RENDER0} ${files} ${CHURN_FILE_MS} ${CHURN_FILE_MS}`),
  );
  const churnRate = files / ((performance.now() - begin) / 1000);
  await churner.exit();

  await growTo(MANY_CLIENTS, holders);
  const rssMany = await rss(pid);

  assert.equal(await exporter.stop(), 0);
  await Promise.all(holders.map((holder) => holder.exit()));
  await waitFor('the driver to free the clients', () => driverState().clients.length === 0);
  return {
    mode,
    cpuIdle,
    idleSteps,
    cpuChurn,
    churnRate,
    attachMedian: median(attach),
    attachP99: percentile(attach, 0.99),
    rssNone,
    rssUsual,
    rssMany,
  };
}

await fill();
const costs: Cost[] = [];
for (const mode of MODES) costs.push(await measure(mode));
console.log(JSON.stringify(costs));
// Not without the sleeping processes: the guest ends them.
process.exit(0);
