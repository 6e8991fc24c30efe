import type { TestContext } from 'node:test';
import type { XeClient } from '../../exporter/clients/client.js';
import type { XeDevice } from '../../exporter/host/device.js';
import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import { METRIC } from '../../exporter/names.js';
import type { LogRecord } from '../../exporter/pipeline/log/log-record.js';
import { Pipeline } from '../../exporter/pipeline/pipeline.js';
import type { Sink } from '../../exporter/pipeline/sink.js';
import { PrometheusSink } from '../../exporter/sinks/prometheus.js';
import type { StampedBatch, UeventBatch } from '../../exporter/sources/source.js';
import { VmKills } from '../../exporter/sources/trace/vm-kills.js';
import { readDevcoredump } from '../../exporter/sources/uevent/devcoredump.js';
import { parseKmsgRecord } from '../../exporter/wire/kernel-log.js';
import { parseTraceLine } from '../../exporter/wire/trace-line.js';
import { parseUevent, pciBdfOf } from '../../exporter/wire/uevent.js';
import { aWorkload } from '../helpers/events.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import type { ManualClock } from '../helpers/manual-clock.js';
import type { Recorded, Recording } from './recording.js';

/** The default of --outcome-window. */
const OUTCOME_WINDOW_MS = 60_000;

/** What a recording leads to. */
export interface Replayed {
  /** /metrics in the text format, without those of the process and the samples of the latency. */
  readonly metrics: string;
  readonly records: readonly LogRecord[];
}

/**
 * Puts a recording through the stages of the exporter, from the bytes to the log records, and moves the clock as the kernel's went; then
 * waits for what is still open. The same in every run.
 */
export async function replay(t: TestContext, recording: Recording, clock: ManualClock): Promise<Replayed> {
  const traced = recording.messages.some(({ what }) => what === 'trace');
  const metrics = new ExporterMetrics({
    // Only a kernel without the watch queue has its trace recorded.
    sources: [traced ? 'trace' : 'watch_queue', 'kmsg', 'uevent'],
    sinks: ['prometheus'],
    version: '1.2.3',
    revision: '',
    nodeVersion: 'v20',
    processMetrics: false,
    now: clock.now,
  });
  const prometheus = new PrometheusSink(metrics);
  const records: LogRecord[] = [];
  const log: Sink<LogRecord> = {
    name: 'stream',
    accept: (record) => void records.push(record),
    close: () => Promise.resolve(),
  };
  const begin = clock.now();
  const first = milliseconds(recording.messages[0]);
  const bootNs = BigInt(begin) * 1_000_000n - BigInt(recording.messages[0]?.at ?? 0);
  const pipeline = new Pipeline(
    metrics,
    { counting: [prometheus], logs: [log] },
    {
      instanceId: 'node-a-42',
      includeProcess: true,
      outcomeWindowMs: OUTCOME_WINDOW_MS,
      now: () => first + clock.now() - begin,
    },
  );
  const listeners = [prometheus.clientListener, ...pipeline.clientListeners];
  const devices = new Map(recording.devices.map((device) => [device.pciBdf, device]));
  const deviceAdded = (device: XeDevice): void => {
    metrics.devices.deviceDiscovered(device);
    pipeline.deviceAdded(device);
  };
  for (const device of devices.values()) deviceAdded(device);
  pipeline.sourceUp('kmsg', true);
  const clients = new Map(clientsOf(recording, devices).map((client) => [client.drmClientId, client]));
  const vmKills = new VmKills(BigInt(recording.messages[0]?.at ?? 0), {
    onKill(kill) {
      const { nanoseconds: monotonicNs, pciBdf = '' } = kill;
      const stamp = { realtimeNs: bootNs + monotonicNs, monotonicNs };
      pipeline.handle({ kind: 'trace', source: 'trace', ...stamp, kill, device: devices.get(pciBdf) });
    },
    onCreated: () => undefined,
    processOf: () => undefined,
    // Both lines of a kill are recorded.
    later: () => undefined,
  });

  for (const message of recording.messages) {
    // Whole milliseconds, as Date has them.
    const ahead = Math.ceil(milliseconds(message) - first - (clock.now() - begin));
    if (ahead > 0) clock.advance(ahead);
    if ('drmClientId' in message) {
      const client = clients.get(message.drmClientId)!;
      const entry = { client, holders: [], watched: true, removalMayBeLost: false, absences: 0 };
      for (const listener of listeners) listener[message.what === 'client_added' ? 'added' : 'removed']?.(entry);
    } else if (message.what === 'trace') {
      vmKills.take(parseTraceLine(message.text)!);
    } else {
      const batch = batchOf(message, bootNs, devices, clients);
      pipeline.handle(batch.kind === 'uevent' ? { ...batch, ...(await dumpOf(t, message, devices)) } : batch);
      if (batch.kind !== 'uevent' || batch.device === undefined) continue;
      // As the device table does.
      const { action, subsystem } = batch.uevent ?? {};
      if (subsystem === 'pci' && action === 'bind') deviceAdded(batch.device);
      if (subsystem === 'pci' && action === 'unbind') {
        pipeline.deviceRemoved(batch.device);
        metrics.devices.deviceRemoved(batch.device);
      }
    }
  }
  clock.advance(2 * OUTCOME_WINDOW_MS);
  await pipeline.close(0);
  const text = await metrics.registry.render('text');
  // How long a batch waited is measured, and differs in every run.
  const lines = text.split('\n').filter((line) => !line.startsWith(METRIC.eventLatency));
  return { metrics: lines.join('\n'), records };
}

/** Recorded clients are processes of a test; the first of them stands for a pod. */
function clientsOf({ clients }: Recording, devices: ReadonlyMap<string, XeDevice>): XeClient[] {
  return clients.map(({ drmClientId, pciBdf, pid, executable }, index) => ({
    drmClientId,
    device: devices.get(pciBdf)!,
    process: { pid, startTime: 0n, executable, createdAt: undefined },
    workload: index === 0 ? aWorkload() : undefined,
    holderCount: 1,
  }));
}

/** What the source of uevents reads beside one that announces a device coredump. */
async function dumpOf(
  t: TestContext,
  message: Recorded,
  devices: ReadonlyMap<string, XeDevice>,
): Promise<Partial<UeventBatch>> {
  if (!('dump' in message) || message.dump === undefined) return {};
  const tree = new FixtureTree(t);
  tree.file('data', message.dump.head);
  return { device: devices.get(message.dump.pciBdf), details: await readDevcoredump(tree.root) };
}

function batchOf(
  message: Exclude<Recorded, { readonly drmClientId: number } | { readonly what: 'trace' }>,
  bootNs: bigint,
  devices: ReadonlyMap<string, XeDevice>,
  clients: ReadonlyMap<number, XeClient>,
): StampedBatch {
  const monotonicNs = BigInt(message.at);
  const stamp = { realtimeNs: bootNs + monotonicNs, monotonicNs };
  switch (message.what) {
    case 'watch_queue': {
      const bytes = Buffer.from(message.bytes, 'base64');
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const owners: (XeClient | undefined)[] = [];
      for (const [id, client] of Object.entries(message.owners)) owners[Number(id)] = clients.get(client);
      return { kind: 'watch_queue', source: 'watch_queue', ...stamp, view, start: 0, end: bytes.length, owners };
    }
    case 'kmsg': {
      const line = parseKmsgRecord(message.text);
      return { kind: 'kernel_log', source: 'kmsg', ...stamp, line, device: devices.get(line?.pciBdf ?? '') };
    }
    case 'uevent': {
      const uevent = parseUevent(Buffer.from(message.text));
      const device = devices.get((uevent && pciBdfOf(uevent)) ?? '');
      return { kind: 'uevent', source: 'uevent', ...stamp, uevent, device };
    }
  }
}

function milliseconds(message: Recorded | undefined): number {
  return Number(message?.at ?? 0) / 1e6;
}
