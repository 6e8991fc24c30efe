import { ClientNaming } from '../clients/client-naming.js';
import { ClientTable } from '../clients/client-table.js';
import { NodeDiscovery } from '../clients/discovery/node-discovery.js';
import { workloadIdentity, WorkloadResolver } from '../clients/workload.js';
import type { FeatureBoard } from '../features.js';
import { readDeviceState } from '../host/device-state.js';
import { DeviceTable } from '../host/device-table.js';
import { nodeNameOf } from '../kubernetes/node-name.js';
import { openPodDirectory } from '../kubernetes/pods/open.js';
import { NativeMemoryReader } from '../memory/native-memory-reader.js';
import type { NativeAddon } from '../native/binding.js';
import { RasReader } from '../ras/ras-reader.js';
import { sources } from '../sources/index.js';
import { coredumpsOff } from '../sources/uevent/coredumps/open.js';
import type { CommandContext } from './context.js';
import type { Node } from './node.js';

/** Open files beyond one a client: the kernel counts the watches of a user against RLIMIT_NOFILE (kernel/watch_queue.c, Linux 7.2). */
const FD_MARGIN = 256;

/** The node this process runs on. */
export function realNode(
  { config, env, logger }: Pick<CommandContext, 'config' | 'env' | 'logger'>,
  native: NativeAddon,
  features: FeatureBoard,
): Node {
  const devices = DeviceTable.overSysfs(config.sysRoot);
  const clients = new ClientTable(config.maxClients);
  const noCoredumps = coredumpsOff(config);
  if (noCoredumps !== undefined) features.report('coredumps', 'disabled', noCoredumps);
  if (config.rasInterval === 0) features.report('ras', 'disabled', 'no --ras-interval is given');
  return {
    name: nodeNameOf(config.nodeName, env),
    devices,
    clients,
    readState: ({ pciBdf }) => readDeviceState(config.sysRoot, pciBdf),
    memory: {
      reader: new NativeMemoryReader({ native, ...config }),
      intervalMs: config.memoryInterval,
      clientMemory: config.clientMemory,
      topConsumers: config.topConsumers,
    },
    ...(config.rasInterval > 0 && {
      ras: { reader: new RasReader({ native, sysRoot: config.sysRoot }), intervalMs: config.rasInterval },
    }),
    sources: sources.filter(({ wanted }) => wanted(config)),
    access: { config, native },
    async findClients() {
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
        clientListeners: discovery.clientListeners,
        deviceAdded: () => discovery.listen(),
        workloadOf: (cgroup) => workloads.name(workloadIdentity(cgroup)),
        gpuProcess: (pid) => discovery.seekProcess(pid),
        async start() {
          const limits = native.raiseFdLimit(config.maxClients + FD_MARGIN);
          if (limits.soft < config.maxClients + FD_MARGIN) {
            logger.warn(limits, 'the open file limit may be too low for --max-clients: raise RLIMIT_NOFILE');
          }
          await pods?.start();
          await discovery.start();
        },
        async stop() {
          await discovery.stop();
          await pods?.stop();
        },
      };
    },
  };
}
