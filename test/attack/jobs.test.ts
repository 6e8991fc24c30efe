// Jobs that mean harm, at the socket of an exporter: real processes, each in the cgroup of a pod of its own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { cgroupRoot, makeCgroup } from '../helpers/cgroups.js';
import { ExporterProcess } from '../helpers/exporter-process.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { SocketFlood } from '../helpers/socket-flood.js';
import { SocketPeer } from '../helpers/socket-peer.js';
import { get } from './crowd.js';
import { Rightful } from './rightful.js';
import { ANSWER_MS, asInTheChart, CHART_LIMIT, forgetPeak, isAlive, memory, SHORT, stop } from './target.js';

const skip = cgroupRoot === undefined && 'needs root: a cgroup2 that this user may write to';
const PODS = SHORT ? 5 : 20;
const CONNECTIONS = 200;
/** MiB. */
const MOST_GROWTH = 64;

function aPod(t: Pick<TestContext, 'after'>): string {
  return makeCgroup(t, `kubepods/pod${randomUUID()}/${'c'.repeat(64)}`);
}

describe(`${CONNECTIONS} connections of each of ${PODS} pods to the socket of the jobs`, { skip }, () => {
  const table: readonly [what: string, bytes: string, manners: readonly ('unread' | 'drip')[]][] = [
    ['that say nothing', '', []],
    ['with a request that comes byte by byte', get('/last'), ['drip']],
    ['that ask why they ended', get('/last'), []],
    ['that read nothing of their events', get('/events'), ['unread']],
    ['with pipelined requests', get('/last').repeat(500), ['unread']],
  ];
  for (const [what, bytes, manners] of table) {
    it(what, async (t) => {
      const socket = join(new FixtureTree(t).root, 'jobs.sock');
      // Not the demo: its socket takes whoever comes for the same job.
      const args = [`--jobs-socket=${socket}`, '--shutdown-timeout=2s'];
      const exporter = await asInTheChart(t, (how) => ExporterProcess.serve({ args, ...how }));
      forgetPeak(exporter);
      const before = await memory(exporter);
      for (let pod = 0; pod < PODS; pod++) {
        new SocketFlood(t, socket, { connections: CONNECTIONS, bytes, manners, cgroup: aPod(t) });
      }
      const rightful = new Rightful(exporter.url);
      const begin = performance.now();
      const job = await new SocketPeer(t, socket, { path: '/last', cgroup: aPod(t) }).answered();
      const jobMs = Math.round(performance.now() - begin);
      await rightful.rounds(SHORT ? 5 : 50);
      const { failures, worstMs } = await rightful.end();
      const { peak } = await memory(exporter);
      const growth = Math.round(peak - before.rss);
      t.diagnostic(`a job waits ${jobMs} ms, a scraper ${worstMs} ms, peak +${growth} MiB`);
      assert.equal(job.status, 200, job.body);
      assert.ok(jobMs < ANSWER_MS, `${jobMs} ms`);
      assert.deepEqual(failures, []);
      assert.ok(growth < MOST_GROWTH && peak < CHART_LIMIT - 64, `${growth} MiB more`);
      assert.ok(await isAlive(exporter));
      assert.equal((await stop(exporter)).code, 0);
    });
  }
});
