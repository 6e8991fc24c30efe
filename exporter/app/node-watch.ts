import { ClientTable, type ClientTableListener } from '../clients/client-table.js';
import { ClientNaming } from '../clients/client-naming.js';
import { NodeDiscovery } from '../clients/discovery/node-discovery.js';
import { WorkloadResolver } from '../clients/workload.js';
import type { Environment } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { wantedEvents } from '../events/index.js';
import type { XeDevice } from '../host/device.js';
import { AWAKE, readDeviceState, type DeviceState } from '../host/device-state.js';
import { DeviceTable } from '../host/device-table.js';
import { openPodDirectory } from '../kubernetes/pods/open.js';
import { MemoryMonitor, type MemoryMonitorOptions } from '../memory/memory-monitor.js';
import { NativeMemoryReader } from '../memory/native-memory-reader.js';
import { whatSwitchesWatchingOff } from './mode.js';
import type { NativeAddon } from '../native/binding.js';
import { messageSources } from '../sources/index.js';
import { SimulatedDevices } from '../simulator/simulated-devices.js';
import { SimulatedFaults } from '../simulator/simulated-faults.js';
import { SimulatedKernel } from '../simulator/simulated-kernel.js';
import { SimulatedMemory } from '../simulator/simulated-memory.js';
import { SimulatedNode } from '../simulator/simulated-node.js';
import type { BatchHandler, Source } from '../sources/source.js';
import { SupervisedSource } from '../sources/supervised-source.js';
import { probeWatchIoctl } from '../sources/watch-queue/probe.js';
import { WatchQueueSource } from '../sources/watch-queue/source.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { FeatureBoard } from '../features.js';
import type { Logger } from '../logger.js';
import type { SourceName } from '../names.js';

/** What watching a node needs from the rest of the program. */
export interface NodeWatchOptions {
  readonly config: Config;
  readonly env: Environment;
  readonly native: NativeAddon;
  readonly features: FeatureBoard;
  readonly metrics: ExporterMetrics;
  readonly logger: Logger;
  /** Who wants to know of clients: before their first event, and when they left. */
  readonly listeners?: readonly ClientTableListener[];
  /** Called before anything on the device is watched. */
  readonly onDeviceAdded?: (device: XeDevice) => void;
  /** Called before anything on the device is let go of. */
  readonly onDeviceRemoved?: (device: XeDevice) => void;
  /** Called when a source died, and when it delivers again after that. */
  readonly onSourceChanged?: (source: SourceName, state: 'up' | 'down', reason: string) => void;
}

/** One node under watch: its devices, their clients, and the sources that deliver what happens to them. */
export interface NodeWatch {
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly watchQueue: WatchQueueSource;
  /** All that are wanted, the watch queue first. */
  readonly sources: readonly Source[];
  /** Who holds the memory of a device. */
  readonly memory: MemoryMonitor;
  start(handler: BatchHandler): Promise<void>;
  stop(): Promise<void>;
}

/** The sources of events that a mode asks for. */
export function wantedSources(mode: Config['mode'], simulated: boolean): readonly SourceName[] {
  const ofMessages = messageSources.map(({ name }) => name);
  if (simulated) return ['simulator', ...ofMessages];
  return mode === 'watch_queue' ? ['watch_queue'] : ['watch_queue', ...ofMessages];
}

/** Soft limit on open files asked for: the kernel counts watches of a user against it (kernel/watch_queue.c, Linux 7.2). */
const FD_MARGIN = 256;

/** Reading simulated memory costs nothing. */
const SIMULATED_MEMORY_INTERVAL_MS = 1_000;

/** Watches the node this process runs on. */
export async function watchThisNode(options: NodeWatchOptions): Promise<NodeWatch> {
  const { config, env, native, features, logger } = options;
  const onDeviceAdded: DeviceHandler = (device) => {
    options.onDeviceAdded?.(device);
    // The probe of the watch ioctl opens a file next.
    discovery.listen();
  };
  const { devices, clients, watchQueue, memory, onAdded } = assemble(
    { ...options, onDeviceAdded },
    {
      name: 'watch_queue',
      makeDevices: (handlers) =>
        DeviceTable.overSysfs(config.sysRoot, {
          ...handlers,
          onOverflow: (found, kept) => logger.warn({ found, kept }, 'more xe devices than the exporter watches'),
        }),
      readState: ({ pciBdf }) => readDeviceState(config.sysRoot, pciBdf),
      memory: {
        reader: new NativeMemoryReader({ native, ...config }),
        intervalMs: config.memoryInterval,
        clientMemory: config.clientMemory,
        topConsumers: config.topConsumers,
      },
    },
  );
  const messages = config.mode === 'watch_queue' ? [] : superviseMessageSources(options, devices);
  // What was refused on a node without a device is news on one that has just got its first.
  onAdded(() => messages.forEach((source) => void source.retry()));

  const pods = await openPodDirectory({ mode: config.kubernetes, nodeName: config.nodeName, env, features });
  const workloads = new WorkloadResolver({ procRoot: config.procRoot, ...(pods && { pods }) });
  const discovery = new NodeDiscovery({
    mode: config.discovery,
    native,
    procRoot: config.procRoot,
    debugfsRoot: config.debugfsRoot,
    scanIntervalMs: config.scanInterval,
    devices,
    clients,
    naming: new ClientNaming(workloads, clients, pods),
    features,
    onRefused: (refused) =>
      logger.warn({ refused, maxClients: config.maxClients }, 'clients left unwatched: raise --max-clients'),
  });

  return {
    devices,
    clients,
    watchQueue,
    sources: [watchQueue, ...messages],
    memory,
    async start(handler) {
      const limits = native.raiseFdLimit(config.maxClients + FD_MARGIN);
      if (limits.soft < config.maxClients + FD_MARGIN) {
        logger.warn(limits, 'the limit on open files may be too low for --max-clients: raise RLIMIT_NOFILE');
      }
      // It has to know whether there are pipes before it meets a device; the others say which device a message is about.
      await watchQueue.start(handler);
      devices.refresh();
      await Promise.all(messages.map((source) => source.start(handler)));
      await pods?.start();
      await discovery.start();
      // Not waited for: a device may not answer.
      void memory.start();
      if (devices.devices.length === 0) watchQueue.reportIdle();
    },
    async stop() {
      await memory.stop();
      await discovery.stop();
      await pods?.stop();
      await Promise.all([watchQueue, ...messages].map((source) => source.stop()));
    },
  };
}

/** Watches a made-up node with two GPUs, through the real reader threads over fake pipes and a fake kernel log. */
export async function watchSimulatedNode(options: NodeWatchOptions): Promise<NodeWatch> {
  const { config, native } = options;
  const held = new SimulatedMemory();
  const bus = new SimulatedDevices();
  const kernel = new SimulatedKernel(native);
  const { devices, clients, watchQueue, memory } = assemble(options, {
    name: 'simulator',
    makeDevices: (handlers) => new DeviceTable({ list: () => bus.list(), ...handlers }),
    readState: () => AWAKE,
    // There is no GPU to be spared and nobody to be named.
    memory: { reader: held, intervalMs: SIMULATED_MEMORY_INTERVAL_MS, clientMemory: true, topConsumers: true },
  });
  // It has no procfs and no sysfs: what those of this machine say is not about it.
  const nowhere = { procRoot: '/nonexistent', sysRoot: '/nonexistent', kmsg: 'auto', uevent: 'auto' } as const;
  const messages = superviseMessageSources(
    { ...options, native: kernel.native, config: { ...config, ...nowhere } },
    devices,
  );
  const node = new SimulatedNode({
    clients,
    devices: () => devices.devices,
    memory: held,
    post: (entry, record) => watchQueue.post(entry, record),
    rate: config.demoRate,
    outcomeWindowMs: config.outcomeWindow,
  });
  const faults = new SimulatedFaults({ kernel, devices: bus, clients, wedgeEveryMs: config.demoWedgeEvery });
  return {
    devices,
    clients,
    watchQueue,
    sources: [watchQueue, ...messages],
    memory,
    async start(handler) {
      await watchQueue.start(handler);
      devices.refresh();
      await Promise.all(messages.map((source) => source.start(handler)));
      node.start();
      faults.start();
      await memory.start();
    },
    async stop() {
      await memory.stop();
      node.stop();
      faults.stop();
      await Promise.all([watchQueue, ...messages].map((source) => source.stop()));
    },
  };
}

type DeviceHandler = (device: XeDevice) => void;

/** What is different about a made-up node. */
interface NodeKind {
  readonly name: 'watch_queue' | 'simulator';
  readonly makeDevices: (handlers: { onAdded: DeviceHandler; onRemoved: DeviceHandler }) => DeviceTable;
  readonly readState: (device: XeDevice) => DeviceState;
  readonly memory: Pick<MemoryMonitorOptions, 'reader' | 'intervalMs' | 'clientMemory' | 'topConsumers'>;
}

interface Assembly extends Pick<NodeWatch, 'devices' | 'clients' | 'watchQueue' | 'memory'> {
  /** Registers one more who wants to know of new devices. */
  readonly onAdded: (handler: DeviceHandler) => void;
}

/** The parts both kinds of node share, wired left to right. */
function assemble(
  { config, native, features, metrics, listeners, onDeviceAdded, onDeviceRemoved }: NodeWatchOptions,
  { name, makeDevices, readState, memory: memoryOptions }: NodeKind,
): Assembly {
  const clients = new ClientTable(config.maxClients);
  for (const listener of listeners ?? []) clients.subscribe(listener);
  clients.subscribe({
    countsChanged: (device, counts) => metrics.devices.clientCounts(device, counts.present, counts.watched),
  });
  const simulated = name === 'simulator';
  const watchIoctl = whatSwitchesWatchingOff(config) === undefined ? config.xeWatchIoctl : 'off';
  const watchQueue = new WatchQueueSource({
    name,
    backend: simulated ? 'fake' : 'linux',
    native,
    queueBytes: config.readerQueueBytes,
    clients,
    features,
    wanted: wantedEvents(config.events),
    probe: simulated
      ? () => Promise.resolve({ request: 0, state: 'active', reason: 'simulated', fix: '', retry: false })
      : (device) => probeWatchIoctl(native, device, config.devRoot, watchIoctl),
    accounting: {
      attachFailed: (reason) => metrics.clientAttachFailures.cell(reason).inc(),
      recordsDropped: (count) => metrics.eventsDropped.cell('reader', '', 'queue_full').inc(count),
      upChanged: (up) => metrics.sourceUp.cell(name).set(up ? 1 : 0),
    },
  });
  const addedHandlers: DeviceHandler[] = [
    (device) => onDeviceAdded?.(device),
    (device) => metrics.devices.deviceDiscovered(device),
    (device) => metrics.devices.deviceState(device, readState(device)),
    (device) => void watchQueue.deviceAdded(device),
  ];
  const devices = makeDevices({
    onAdded: (device) => addedHandlers.forEach((added) => added(device)),
    onRemoved: (device) => {
      onDeviceRemoved?.(device);
      memory.deviceRemoved(device);
      metrics.devices.deviceRemoved(device);
      watchQueue.deviceRemoved(device);
    },
  });
  const memory = new MemoryMonitor({
    ...memoryOptions,
    devices,
    clients,
    readState,
    metrics: metrics.devices,
    features,
    includeProcess: config.includeProcess,
  });
  return { devices, clients, watchQueue, memory, onAdded: (handler) => addedHandlers.push(handler) };
}

function superviseMessageSources(
  { config, native, features, metrics, logger, onSourceChanged }: NodeWatchOptions,
  devices: DeviceTable,
): SupervisedSource[] {
  const onDropped = (count: number): void => metrics.eventsDropped.cell('reader', '', 'queue_full').inc(count);
  return messageSources.map(
    ({ name, feature, open }) =>
      new SupervisedSource({
        name,
        feature,
        open: open({ config, native, devices, onDropped }),
        features,
        needed: () => devices.devices.length > 0,
        accounting: {
          upChanged: (source, up) => metrics.sourceUp.cell(source).set(up ? 1 : 0),
          restarted: (source) => metrics.sourceRestarts.cell(source).inc(),
        },
        onChanged: (source, state, reason) => {
          if (state === 'up') logger.info({ source }, 'the event source is up again');
          else logger.error({ source, reason }, 'the event source died and will be started again');
          onSourceChanged?.(source, state, reason);
        },
      }),
  );
}
