import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientSeries } from '../../../exporter/metrics/client-series.js';
import { CLIENT_FAULTS, ERRNO_LABELS, type WorkloadLabels } from '../../../exporter/names.js';
import { aWorkload } from '../../helpers/events.js';

const RETENTION = 15 * 60_000;
const BDF = '0000:03:00.0';

function start(maxWorkloads = 512, labels: WorkloadLabels = 'kubernetes') {
  let time = 0;
  let refused = 0;
  const series = new ClientSeries({
    labels,
    maxWorkloads,
    retentionMs: RETENTION,
    now: () => time,
    onOverflow: () => refused++,
  });
  const samples = async () => (await series.families.errors.get()).values;
  return {
    series,
    acquire: (pod: string, pciBdf = BDF) => series.acquire(pciBdf, aWorkload({ pod })),
    /** Errors by pod, over all errnos and devices. */
    counts: async () => {
      const counts: Record<string, number> = {};
      for (const { labels, value } of await samples()) {
        const pod = labels['k8s_pod_name'] ?? '';
        counts[pod] = (counts[pod] ?? 0) + value;
      }
      return counts;
    },
    samples,
    advance: (ms: number) => (time += ms),
    refused: () => refused,
  };
}

test('ENOMEM is there at 0, the others with their first error; the clients of a container share them', async () => {
  const { acquire, samples, counts } = start();
  const [a, b] = [acquire('a'), acquire('a')];
  assert.deepEqual(
    (await samples()).map(({ labels, value }) => [labels['errno'], value]),
    [['ENOMEM', 0]],
  );
  a.counters[0]?.inc();
  b.counters[0]?.inc();
  assert.deepEqual(await counts(), { a: 2 });
  a.counters[ERRNO_LABELS.indexOf('ETIME')]?.count(1_700_000_000);
  assert.deepEqual(
    (await samples()).map(({ labels, value }) => [labels['errno'], value]),
    [
      ['ENOMEM', 2],
      ['ETIME', 1],
    ],
  );
});

test('the time of the newest error is there from the first error on, and never goes back', async () => {
  const { acquire, series } = start();
  const { counters } = acquire('a');
  assert.deepEqual((await series.families.lastTimestamps.get()).values, []);
  for (const seconds of [1_700_000_005, 1_700_000_003]) counters[0]?.count(seconds);
  const [only, ...more] = (await series.families.lastTimestamps.get()).values;
  assert.deepEqual([only?.labels['errno'], only?.value, more.length], ['ENOMEM', 1_700_000_005, 0]);
});

test('when everything goes wrong at once, a container has fifteen series on a GPU', async () => {
  const { acquire, series } = start(2);
  // The third and the fourth share those of _other.
  for (const pod of ['a', 'b', 'c', 'd']) {
    const { counters, fault } = acquire(pod);
    for (const errors of counters) errors.count(1_700_000_000);
    for (const name of CLIENT_FAULTS) fault(name).inc();
  }
  const families = [series.families.errors, series.families.lastTimestamps, series.faults.family];
  const shown = await Promise.all(families.map(async (family) => (await family.get()).values));
  assert.equal(shown.flat().length, 3 * 15);
});

test('outside Kubernetes they can be labelled by systemd unit or Slurm job', async () => {
  for (const [labels, label, value] of [
    ['systemd', 'systemd_unit', 'train.service'],
    ['slurm', 'slurm_job_id', '4711'],
  ] as const) {
    const { series, samples } = start(1, labels);
    series.acquire(BDF, { ...aWorkload(), systemdUnit: 'train.service', slurmJobId: '4711' });
    const shown = (await samples()).map(({ labels: { errno: _errno, ...rest } }) => rest);
    assert.deepEqual(shown[0], { pci_bdf: BDF, [label]: value });
    series.acquire(BDF, undefined);
    assert.equal((await samples()).at(-1)?.labels[label], '_other', 'the cap holds for them too');
  }
});

test('they stay for the retention time after the last client, and a client that comes back starts anew', async () => {
  const { acquire, counts, advance } = start();
  const [first, second] = [acquire('a'), acquire('a')];
  first.counters[0]?.inc();
  first.release();
  first.release();
  advance(10 * RETENTION);
  assert.deepEqual(await counts(), { a: 1 }, 'one client is still there');
  second.release();
  advance(RETENTION - 1);
  assert.deepEqual(await counts(), { a: 1 });
  advance(1);
  assert.deepEqual(await counts(), {});
  const anew = acquire('a');
  assert.deepEqual(await counts(), { a: 0 });
  anew.counters[0]?.inc();
  assert.deepEqual(await counts(), { a: 1 });
});

test('a client that comes back in time finds its series, and they stay with it', async () => {
  const { acquire, counts, advance } = start();
  const first = acquire('a');
  first.counters[0]?.inc();
  first.release();
  advance(RETENTION - 1);
  const second = acquire('a');
  second.counters[0]?.inc();
  advance(10 * RETENTION);
  assert.deepEqual(await counts(), { a: 2 });
});

test('at the cap the one without a client for longest leaves; one with a client never does', async () => {
  const { acquire, counts, advance, refused } = start(3);
  const live = acquire('live');
  acquire('old').release();
  advance(1000);
  acquire('young').release();
  acquire('new');
  assert.deepEqual(Object.keys(await counts()), ['live', 'young', 'new']);
  live.counters[0]?.inc();
  assert.equal((await counts())['live'], 1);
  assert.equal(refused(), 0);
});

test('when every one has clients, newcomers share _other of their device, each counted once', async () => {
  const { acquire, counts, refused, samples } = start(2);
  const first = acquire('a');
  acquire('b');
  const overflow = [acquire('c'), acquire('c'), acquire('d'), acquire('c', '0000:04:00.0')];
  assert.equal(refused(), 3, 'c, d, and c on the other device');
  for (const { counters } of overflow) counters[0]?.inc();
  assert.deepEqual(await counts(), { a: 0, b: 0, _other: 4 });
  const labels = (await samples()).find(({ value }) => value === 3)?.labels;
  assert.deepEqual(labels, {
    pci_bdf: BDF,
    errno: 'ENOMEM',
    k8s_namespace_name: '_other',
    k8s_pod_name: '_other',
    k8s_container_name: '_other',
  });
  first.release();
  acquire('c').counters[0]?.inc();
  assert.deepEqual(await counts(), { b: 0, _other: 4, c: 1 }, 'room is given to the next that comes');
  for (const lease of overflow) lease.release();
  acquire('e');
  assert.equal(refused(), 4);
  acquire('d');
  assert.equal(refused(), 5, 'it left and was refused again');
});

test('two names that look the same on the wire are one container', async () => {
  const { acquire, samples, advance } = start();
  const kept = acquire('a\uD800');
  acquire('a\uDC00').release();
  advance(10 * RETENTION);
  assert.equal((await samples()).length, 1);
  kept.counters[0]?.inc();
  assert.equal((await samples())[0]?.value, 1);
});

test('a process outside of containers has empty labels', async () => {
  const { series, samples } = start();
  series.acquire(BDF, undefined);
  assert.deepEqual((await samples())[0]?.labels, {
    pci_bdf: BDF,
    errno: 'ENOMEM',
    k8s_namespace_name: '',
    k8s_pod_name: '',
    k8s_container_name: '',
  });
});
