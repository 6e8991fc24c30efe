import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildFlow } from '../../../exporter/app/flow.js';
import type { Node } from '../../../exporter/app/node.js';
import { subscribeAll, type Stage } from '../../../exporter/app/subscriptions.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { AWAKE } from '../../../exporter/host/device-state.js';
import { DeviceTable } from '../../../exporter/host/device-table.js';
import { createLogger } from '../../../exporter/logger.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { METRIC } from '../../../exporter/names.js';
import { PrometheusSink } from '../../../exporter/sinks/prometheus.js';
import type { Source } from '../../../exporter/sources/source.js';
import { aClient, aDevice, aWorkload } from '../../helpers/events.js';
import { parseExposition } from '../../helpers/exposition.js';
import { ManualReader } from '../../helpers/memory-reader.js';

const FD = { pid: 1, fd: 3, minor: 128, startTime: 1n, comm: 'app' };

test('the tables call the stages left to right, and the listeners of one stage in its own order', () => {
  const calls: string[] = [];
  const stage = (name: string): Stage => ({
    deviceListener: { added: () => calls.push(name), removed: () => calls.push(name) },
    clientListeners: [
      { added: () => calls.push(`${name} 1`), removed: () => calls.push(`${name} 1`) },
      { added: () => calls.push(`${name} 2`), removed: () => calls.push(`${name} 2`) },
    ],
  });
  let found = [aDevice()];
  const devices = new DeviceTable(() => found);
  const clients = new ClientTable(10);
  // In another order than they are to be called in.
  subscribeAll(devices, clients, {
    sources: [stage('source a'), stage('source b')],
    finder: stage('finder'),
    memory: stage('memory'),
    metrics: stage('metrics'),
    pipeline: stage('pipeline'),
    sinks: stage('sinks'),
  });
  const ORDER = ['sinks', 'pipeline', 'metrics', 'memory', 'finder', 'source a', 'source b'];
  const since = (change: () => void): string[] => {
    calls.length = 0;
    change();
    return [...calls];
  };
  assert.deepEqual(
    since(() => devices.refresh()),
    ORDER,
  );
  const listeners = ORDER.flatMap((name) => [`${name} 1`, `${name} 2`]);
  assert.deepEqual(
    since(() => clients.add(aClient(), [FD])),
    listeners,
  );
  assert.deepEqual(
    since(() => clients.remove(clients.get(aClient().drmClientId)!)),
    listeners,
  );
  found = [];
  assert.deepEqual(
    since(() => devices.refresh()),
    ORDER,
  );
});

test('when a source hears of a device or a client, its series exist at 0 and the client finder is listening', async (t) => {
  const device = aDevice();
  const client = aClient({ device, workload: aWorkload({ pod: 'train-0' }) });
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    sinks: ['prometheus'],
    version: '',
    revision: '',
    nodeVersion: '',
    processMetrics: false,
  });
  const prometheus = new PrometheusSink(metrics);
  const scrapes: Promise<string>[] = [];
  let listening = 0;
  const heard: string[] = [];
  const source: Source = {
    name: 'watch_queue',
    up: true,
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    settled: () => Promise.resolve(),
    deviceListener: {
      added({ pciBdf }) {
        heard.push(`device ${pciBdf}, finder called ${listening} times`);
        scrapes.push(metrics.registry.render('text'));
      },
    },
    clientListener: {
      added({ client: { drmClientId } }) {
        heard.push(`client ${drmClientId}`);
        scrapes.push(metrics.registry.render('text'));
      },
    },
  };
  const devices = new DeviceTable(() => [device]);
  const clients = new ClientTable(10);
  const node: Node = {
    name: 'node',
    devices,
    clients,
    readState: () => ({ ...AWAKE, suspended: true }),
    memory: { reader: new ManualReader(), intervalMs: 0, clientMemory: false, topConsumers: false },
    sources: [{ name: 'watch_queue', feature: 'watch_queue', wanted: () => true, open: () => source }],
    access: { config: {} as Node['access']['config'], native: {} as Node['access']['native'] },
    findClients: async () => ({
      clientListeners: [],
      workloadOf: () => undefined,
      deviceAdded: () => listening++,
      start: async () => void clients.add(client, [FD]),
      stop: async () => undefined,
    }),
  };
  const flow = await buildFlow({
    node,
    metrics,
    features: new FeatureBoard(),
    logger: createLogger({ level: 'error', format: 'json', stream: process.stderr }),
    sinks: { counting: [prometheus] },
    sinkListeners: [prometheus.clientListener],
    instanceId: 'test',
    includeProcess: true,
  });
  await flow.start();
  t.after(() => flow.stop(1_000));

  assert.deepEqual(heard, [`device ${device.pciBdf}, finder called 1 times`, `client ${client.drmClientId}`]);
  const [atDevice, atClient] = (await Promise.all(scrapes)).map((text) => parseExposition(text));
  const bdf = `pci_bdf="${device.pciBdf}"`;
  assert.equal(atDevice!.get(`${METRIC.vmRebindErrors}{${bdf},errno="ENOMEM"}`), 0);
  assert.equal(atDevice!.get(`${METRIC.deviceRuntimeSuspended}{${bdf}}`), 1, 'its state is set, too');
  const names = [...atClient!.keys()].filter((name) => name.startsWith(METRIC.clientVmRebindErrors));
  assert.ok(names.some((name) => name.includes('train-0')));
});
