// Who held the memory at an out-of-memory error, in the log event; where a test has to know the moment, the exporter's
// stages run in its own process.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig } from '../../../exporter/config/load.js';
import type { MemorySnapshot } from '../../../exporter/host/memory.js';
import { loadNative } from '../../../exporter/native/load.js';
import { buildFlow } from '../../../exporter/app/flow.js';
import { realNode } from '../../../exporter/app/real-node.js';
import type { Sink } from '../../../exporter/pipeline/sink.js';
import { toLogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { createLogger } from '../../../exporter/logger.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { startCollector } from '../../helpers/collector.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { deviceState, GPU0, hangFdinfo, postVmError, setVram, startClientIn, waitFor } from '../guest-lib.js';

const GIB = 1024 ** 3;
/** More than a driver that does not answer can cost a stop. */
const STOP_MS = 60_000;
const SIZE = 12 * GIB;

/** The exporter's stages in this process, to ask for snapshots as it does. */
async function watch(t: TestContext, ...args: string[]) {
  const config = await loadConfig(
    'serve',
    parseArguments(['serve', '--scan-interval=250ms', '--kubernetes=off', '--mode=watch_queue', ...args]),
    {},
  );
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: [],
    version: '',
    revision: '',
    nodeVersion: '',
  });
  const snapshots: (readonly [event: DeviceEvent, snapshot: Promise<MemorySnapshot | undefined>, askedAt: number])[] =
    [];
  const features = new FeatureBoard();
  const logger = createLogger({ level: 'error', format: 'json', stream: process.stderr });
  const looks: Sink<DeviceEvent> = {
    name: 'terminal',
    accept(event) {
      const { device, client } = event;
      if (device) snapshots.push([event, node.memory.snapshot(device, client), performance.now()]);
      return undefined;
    },
    close: () => Promise.resolve(),
  };
  const node = await buildFlow({
    node: realNode({ config, env: {}, logger }, loadNative(), features),
    metrics,
    features,
    logger,
    sinks: { counting: [looks] },
    instanceId: 'i',
    includeProcess: true,
  });
  await node.start();
  t.after(() => node.stop(STOP_MS));
  return {
    node,
    watched: (count: number) =>
      waitFor(`${count} watched`, () => [...node.clients.entries()].filter((entry) => entry.watched).length === count),
    /** The log record of the next error. */
    async record() {
      const [event, taking, askedAt] = await waitFor('an event', () => {
        const index = snapshots.findIndex(([{ errorCode }]) => errorCode === -12);
        return index < 0 ? undefined : snapshots.splice(0, index + 1).at(-1);
      });
      const memory = await taking;
      const ms = performance.now() - askedAt;
      return { ms, ...toLogRecord({ ...event, memory }, { instanceId: 'test', includeProcess: true }) };
    },
  };
}

test('the log event of an out-of-memory error says how full the GPU is and who holds it', async (t) => {
  const collector = await startCollector();
  t.after(() => collector.stop());
  setVram({ device: GPU0 }, 0);
  const victim = await startClientIn(t, { vram: 2 * GIB });
  const hog = await startClientIn(t, { vram: 9 * GIB, uid: 1000 });
  const exporter = await ExporterProcess.serve({ args: [`--otlp-endpoint=${collector.url}`, '--top-consumers'] });
  t.after(() => exporter.stop('SIGKILL'));
  const watched = `xe_clients_watched{pci_bdf="${GPU0}"}`;
  await waitFor('both watched', async () => (await exporter.metric(watched)) === 2);
  let vm = 0;
  // A busy machine can miss the deadline of a snapshot; its event goes without.
  const { attributes, body } = await waitFor(
    'an event with a snapshot',
    async () => {
      await hog.send('version 0');
      postVmError({ client: victim.id, vm: ++vm });
      const record = await waitFor('its log record', () =>
        collector.requests
          .flatMap(({ records }) => records)
          .find(({ eventName, attributes: of }) => eventName === 'xe.vm.rebind_error' && of['xe.vm.id'] === vm),
      );
      return record.attributes['xe.memory.vram0.used'] !== undefined && record;
    },
    60_000,
  );
  assert.equal(attributes['xe.memory.vram0.used'], 11 * GIB);
  assert.equal(attributes['xe.memory.vram0.size'], SIZE);
  assert.equal(attributes['xe.client.memory.vram0.resident'], 2 * GIB);
  assert.ok(Number(attributes['xe.memory.snapshot_age'] ?? 0) < 0.25);
  const others = `^client \\(pid ${hog.pid}\\) 9\\.0 GiB \\(75 %\\); client \\(pid ${victim.pid}\\) 2\\.0 GiB \\(17 %\\)$`;
  assert.match(String(attributes['xe.top_consumers']), new RegExp(others));
  assert.match(String(body), /vram0 11\.0 of 12\.0 GiB used, most by client \(pid \d+\) \(9\.0 GiB\)/);
});

test('a victim that dies right after its error has what the last sample said, and how old that is', async (t) => {
  const victim = await startClientIn(t, { vram: 5 * GIB });
  const { watched, node, record } = await watch(t);
  await watched(1);
  await waitFor('a sample of it', async () => {
    await victim.send('version 0');
    const snapshot = await node.memory.snapshot(node.devices.devices[0]!, [...node.clients.entries()][0]?.client);
    return snapshot?.clients.length === 1;
  });
  setVram({ client: victim.id }, 6 * GIB);
  const since = performance.now();
  await waitFor('the sample to be too old to be shared', () => performance.now() - since > 300);
  postVmError({ client: victim.id });
  // Before this process, which is the exporter, too, can hear of the error.
  victim.killNow();
  const { attributes } = await record();
  assert.equal(attributes['xe.memory.vram0.size'], SIZE);
  assert.equal(attributes['xe.client.memory.vram0.resident'], 5 * GIB);
  assert.ok(Number(attributes['xe.memory.snapshot_age']) > 0);
});

test('a victim that nobody has ever seen the memory of is honestly without', async (t) => {
  const { node, watched, record } = await watch(t, '--memory-interval=60m');
  const victim = await startClientIn(t, { vram: GIB });
  await watched(1);
  await victim.send('version 0');
  postVmError({ client: victim.id });
  victim.killNow();
  const { attributes } = await record();
  assert.equal(attributes['xe.memory.vram0.size'], SIZE);
  assert.equal(attributes['xe.client.memory.vram0.resident'], undefined);
  await waitFor('the victim to leave', () => [...node.clients.entries()].length === 0);
});

test('a driver that does not answer costs a snapshot its deadline, once, and nothing else', async (t) => {
  const victim = await startClientIn(t, { vram: GIB });
  const { node, watched, record } = await watch(t);
  await watched(1);
  await victim.send('version 0');
  hangFdinfo(GPU0, true);
  t.after(() => hangFdinfo(GPU0, false));
  // The first may share what was read before.
  const late = await waitFor('a late one', async () => {
    postVmError({ client: victim.id });
    const answer = await record();
    return answer.ms >= 350 && answer;
  });
  assert.ok(Number(late.attributes['xe.memory.snapshot_age']) > 0);
  const { fdinfo_reads: reads } = deviceState(GPU0);
  postVmError({ client: victim.id, vm: 2 });
  const refused = await record();
  assert.ok(refused.ms < late.ms, `${refused.ms} ms, the first waited ${late.ms} ms`);
  assert.equal(deviceState(GPU0).fdinfo_reads, reads, 'no second read of a device that hangs');
  hangFdinfo(GPU0, false);
  await waitFor('a snapshot again', async () => {
    await victim.send('version 0');
    postVmError({ client: victim.id, vm: 3 });
    return (await record()).attributes['xe.client.memory.vram0.resident'] === GIB;
  });
  await node.stop(STOP_MS);
});
