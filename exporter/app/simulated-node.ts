import { ClientTable } from '../clients/client-table.js';
import type { DemoKernel } from '../config/schema.js';
import { wantedEvents } from '../events/index.js';
import { AWAKE } from '../host/device-state.js';
import { DeviceTable } from '../host/device-table.js';
import type { NativeAddon } from '../native/binding.js';
import { stockReports, watchQueueReports } from '../simulator/job-reports.js';
import { SimulatedDevices } from '../simulator/simulated-devices.js';
import { SimulatedFaults } from '../simulator/simulated-faults.js';
import { SimulatedKernel } from '../simulator/simulated-kernel.js';
import { SimulatedMemory } from '../simulator/simulated-memory.js';
import { ReactingJob } from '../simulator/reacting-job.js';
import { ASKING_WORKLOAD, LISTENING_WORKLOAD, SimulatedNode } from '../simulator/simulated-node.js';
import { simulatedTraceSource } from '../simulator/simulated-trace-source.js';
import { kmsg } from '../sources/kernel-log/source.js';
import type { SourceEntry } from '../sources/source.js';
import { uevent } from '../sources/uevent/source.js';
import type { WatchSupport } from '../sources/watch-queue/probe.js';
import { WatchQueueSource } from '../sources/watch-queue/source.js';
import type { CommandContext } from './context.js';
import type { Node } from './node.js';

/** Reading simulated memory costs nothing. */
const MEMORY_INTERVAL_MS = 1_000;

/** Paths of this machine say nothing about the simulated one. */
const NO_PATHS = {
  procRoot: '/nonexistent',
  devRoot: '/nonexistent',
  sysRoot: '/nonexistent',
  kmsg: 'auto',
  uevent: 'auto',
} as const;

/** The watch queue over fake pipes, which the simulated jobs post into. */
const simulator = fakePipes('simulator', {
  request: 0,
  state: 'active',
  reason: 'simulated',
  fix: '',
  retry: false,
});

/** A stock kernel has none, because the demo was told so. */
const noWatchQueue = fakePipes('watch_queue', {
  request: undefined,
  state: 'disabled',
  reason: 'the simulated kernel has no xe watch queue',
  fix: '',
  retry: false,
});

const SOURCES: Readonly<Record<DemoKernel, readonly SourceEntry[]>> = {
  watch_queue: [simulator, kmsg, uevent],
  stock: [noWatchQueue, simulatedTraceSource, kmsg, uevent],
};

function fakePipes(name: 'simulator' | 'watch_queue', support: WatchSupport): SourceEntry {
  return {
    name,
    feature: 'watch_queue',
    wanted: () => true,
    open: ({ config, ...context }) =>
      new WatchQueueSource({
        ...context,
        name,
        backend: 'fake',
        queueBytes: config.readerQueueBytes,
        wanted: wantedEvents(config.events),
        probe: () => Promise.resolve(support),
      }),
  };
}

/** A made-up node with two GPUs, seen through the real reader threads over fake pipes, a fake kernel log and a fake trace. */
export function simulatedNode({ config }: Pick<CommandContext, 'config'>, native: NativeAddon): Node {
  const gpus = new SimulatedDevices();
  const memory = new SimulatedMemory();
  const kernel = new SimulatedKernel(native);
  const devices = new DeviceTable(() => gpus.list());
  const clients = new ClientTable(config.maxClients);
  return {
    name: 'simulated node',
    devices,
    clients,
    readState: () => AWAKE,
    // No GPU has to be left asleep, and no real process is named.
    memory: { reader: memory, intervalMs: MEMORY_INTERVAL_MS, clientMemory: true, topConsumers: true },
    sources: SOURCES[config.demoKernel],
    access: { config: { ...config, ...NO_PATHS }, native: kernel.native },
    async findClients(sources) {
      const watchQueue = sources.find((source) => source instanceof WatchQueueSource);
      const jobs = new SimulatedNode({
        clients,
        devices: () => devices.devices,
        memory,
        reports:
          config.demoKernel === 'stock'
            ? stockReports(kernel, clients)
            : watchQueueReports((entry, record) => watchQueue?.post(entry, record) ?? false),
        rate: config.demoRate,
        outcomeWindowMs: config.outcomeWindow,
      });
      const { jobsSocket: socketPath } = config;
      const listener =
        socketPath === undefined ? undefined : new ReactingJob({ socketPath, onOutOfMemory: () => jobs.told() });
      const faults = new SimulatedFaults({ kernel, devices: gpus, clients, wedgeEveryMs: config.demoWedgeEvery });
      return {
        clientListeners: [],
        // Real processes have no pod of the made-up node: whoever asks is taken for the job of one, and we for the job that listens.
        workloadOf: (_cgroup, pid) => (pid === process.pid ? LISTENING_WORKLOAD : ASKING_WORKLOAD),
        async start() {
          jobs.start();
          listener?.start();
          faults.start();
        },
        async stop() {
          jobs.stop();
          listener?.stop();
          faults.stop();
        },
      };
    },
  };
}
