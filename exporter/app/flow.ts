import type { ClientTable, ClientTableListener } from '../clients/client-table.js';
import type { DeviceHealth } from '../events/device-health.js';
import type { FeatureBoard } from '../features.js';
import type { DeviceTable } from '../host/device-table.js';
import type { Logger } from '../logger.js';
import { MemoryMonitor } from '../memory/memory-monitor.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { SourceName } from '../names.js';
import { Pipeline, type PipelineOptions } from '../pipeline/pipeline.js';
import type { Sinks } from '../pipeline/sink.js';
import { RasMonitor } from '../ras/ras-monitor.js';
import type { Source, SourceAccounting, SourceContext } from '../sources/source.js';
import { TIMED_OUT, withDeadline } from '../time/deadline.js';
import type { ClientFinder, Node } from './node.js';
import { subscribeAll } from './subscriptions.js';

export interface FlowOptions extends Omit<PipelineOptions, 'snapshot' | 'now'> {
  readonly node: Node;
  readonly metrics: ExporterMetrics;
  readonly features: FeatureBoard;
  readonly logger: Logger;
  readonly sinks: Sinks;
  /** What of the sinks follows the client table. */
  readonly sinkListeners?: readonly ClientTableListener[];
}

/** A node under watch: sources, pipeline and sinks, with the two tables they share. */
export interface Flow {
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  /** Those that are wanted on the node. */
  readonly sources: readonly Source[];
  readonly memory: MemoryMonitor;
  /** Whether each device is fit for work: those that are bound, and those that are lost. */
  readonly health: () => readonly DeviceHealth[];
  /** See {@link ClientFinder}. */
  readonly workloadOf: ClientFinder['workloadOf'];
  /** Resolves when every source runs or was refused, and the node has been searched for clients once. */
  start(): Promise<void>;
  /** Drains and stops, sources first and sinks last, within `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/** Builds what is between the kernel and the sinks, left to right. Nothing runs before {@link Flow.start}. */
export async function buildFlow(options: FlowOptions): Promise<Flow> {
  const { node, metrics, features, logger, sinks, sinkListeners = [] } = options;
  const { devices, clients } = node;

  const memory = new MemoryMonitor({
    ...node.memory,
    devices,
    clients,
    readState: node.readState,
    metrics: metrics.devices,
    features,
    includeProcess: options.includeProcess,
  });
  const ras =
    node.ras &&
    new RasMonitor({ ...node.ras, devices, readState: node.readState, metrics: metrics.devices.ras, features });
  const pipeline = new Pipeline(metrics, sinks, {
    ...options,
    snapshot: (device, victim) => memory.snapshot(device, victim),
    traced: () => sources.some(({ name, up }) => name === 'trace' && up),
  });
  const onChanged = (source: SourceName, state: 'up' | 'down', reason: string): void => {
    if (state === 'up') logger.info({ source }, 'the event source is up again');
    else logger.error({ source, reason }, 'the event source died and will be restarted');
    pipeline.sourceChanged(source, state, reason);
  };
  let isStopping = false;
  const accounting = sourceAccounting(metrics, (source, up) => {
    // That nobody looks any more is no news of a device.
    if (!isStopping) pipeline.sourceUp(source, up);
  });
  let finder: ClientFinder | undefined = undefined;
  const onEvictedFor = (pciBdf: string, pid: number, bytes: number): void => memory.evictedFor(pciBdf, pid, bytes);
  const onGpuProcess = (pid: number): void => finder?.gpuProcess?.(pid);
  const onCoredumpCopies: SourceContext['onCoredumpCopies'] = (result, copies) =>
    metrics.coredumpCopies.cell(result).inc(copies);
  const context = { devices, clients, features, accounting, onChanged, onGpuProcess, onCoredumpCopies, onEvictedFor };
  const sources = node.sources.map(({ open }) => open({ ...node.access, ...context }));
  finder = await node.findClients(sources);

  devices.subscribe({
    overflowed: (found, kept) =>
      logger.warn({ found, kept }, 'this node has more xe devices than the exporter watches'),
  });
  subscribeAll(devices, clients, {
    sinks: { clientListeners: sinkListeners },
    pipeline: {
      deviceListener: {
        added: (device) => pipeline.deviceAdded(device, node.readState(device).inSurvivability),
        removed: (device) => pipeline.deviceRemoved(device),
      },
      clientListeners: pipeline.clientListeners,
    },
    metrics: {
      deviceListener: {
        added: (device) => metrics.devices.deviceDiscovered(device),
        removed: (device) => metrics.devices.deviceRemoved(device),
      },
      clientListeners: [
        { countsChanged: (device, counts) => metrics.devices.clientCounts(device, counts.present, counts.watched) },
      ],
    },
    memory: { deviceListener: memory.deviceListener, clientListeners: [memory.clientListener] },
    ...(ras && { ras: { deviceListener: ras.deviceListener } }),
    finder: {
      ...(finder.deviceAdded && { deviceListener: { added: finder.deviceAdded } }),
      clientListeners: finder.clientListeners,
    },
    sources: sources.map(({ deviceListener, clientListener }) => ({
      ...(deviceListener && { deviceListener }),
      ...(clientListener && { clientListeners: [clientListener] }),
    })),
  });

  return {
    devices,
    clients,
    sources,
    memory,
    health: () => pipeline.health,
    workloadOf: (cgroup, pid) => finder.workloadOf(cgroup, pid),
    async start() {
      // Sources say which device a message is about, so the table comes first.
      devices.refresh();
      await Promise.all(sources.map((source) => source.start(pipeline.handle)));
      await finder.start();
      // Not awaited: a device may not answer.
      void memory.start();
      void ras?.start();
    },
    async stop(deadlineMs) {
      isStopping = true;
      const deadline = performance.now() + deadlineMs;
      // Half of the time for what may hang on a GPU, so that the sinks can still flush.
      const stopping = stopInputs([memory, ras, finder], sources);
      if ((await withDeadline(deadlineMs / 2, stopping)) === TIMED_OUT) {
        logger.warn({}, 'a GPU does not answer: stopping without waiting for it');
      }
      await pipeline.close(Math.max(0, deadline - performance.now()));
    },
  };
}

async function stopInputs(
  readers: readonly ({ stop(): Promise<void> } | undefined)[],
  sources: readonly Source[],
): Promise<void> {
  for (const reader of readers) await reader?.stop();
  await Promise.all(sources.map((source) => source.stop()));
}

function sourceAccounting(
  metrics: ExporterMetrics,
  onUpChanged: (source: SourceName, up: boolean) => void,
): SourceAccounting {
  return {
    upChanged(source, up) {
      metrics.sourceUp.cell(source).set(up ? 1 : 0);
      onUpChanged(source, up);
    },
    restarted: (source) => metrics.sourceRestarts.cell(source).inc(),
    dropped: (_source, messages) => metrics.eventsDropped.cell('reader', '', 'queue_full').inc(messages),
    queuePeak: (source, bytes) => {
      const peak = metrics.readerQueuePeak.cell(source);
      // A source that was restarted begins with an empty queue.
      peak.set(Math.max(peak.value, bytes));
    },
    moved: (pciBdf, moved) => metrics.devices.moves.moved(pciBdf, moved),
    attachFailed: (reason) => metrics.clientAttachFailures.cell(reason).inc(),
  };
}
