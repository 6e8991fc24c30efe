import { errnoName } from '../../wire/errno.js';
import { NODE_CONDITION } from '../../names.js';
import type { OtlpDecision } from '../../otlp/wanted.js';
import { pipeSupport } from '../../sources/watch-queue/probe.js';
import { jobsSocket } from './jobs-check.js';
import { deviceMemory } from './memory-check.js';
import { webConfig } from './web-config-check.js';
import { fail, off, ok, warn, type Check, type Facts, type Finding } from './finding.js';
import { PRIVILEGE_CHECKS } from './privilege-checks.js';
import { VICTIM_CHECKS } from './victim-checks.js';

/** THE LIST, in the order of the report: what the machine is, what the kernel offers, what we may do, where events go. */
export const CHECKS: readonly Check[] = [
  { id: 'kernel', title: 'kernel', for: 'node', run: kernel },
  { id: 'node', title: 'Node.js', for: 'node', run: ({ nodeVersion }) => ok(nodeVersion) },
  { id: 'addon', title: 'native addon', for: 'node', run: addon },
  { id: 'devices', title: 'xe devices', for: 'node', run: devices },
  { id: 'notification_pipe', title: 'notification pipe', for: 'watching', run: notificationPipe },
  { id: 'watch_ioctl', title: 'watch ioctl', for: 'watching', run: watchIoctl },
  { id: 'clients_announced', title: 'xe clients announced', for: 'clients', run: clientsAnnounced },
  { id: 'clients_visible', title: 'xe clients visible', for: 'clients', run: clientsVisible },
  { id: 'clients_borrowable', title: 'xe clients borrowable', for: 'watching', run: clientsBorrowable },
  { id: 'kernel_messages', title: 'kernel messages', for: 'node', run: kernelMessages },
  ...VICTIM_CHECKS,
  { id: 'memory', title: 'device memory', for: 'node', run: memory },
  ...PRIVILEGE_CHECKS,
  { id: 'pod_names', title: 'pod names', for: 'clients', run: podNames },
  { id: 'kubernetes_events', title: 'Kubernetes Events', for: 'node', run: kubernetesEvents },
  { id: 'kubernetes_node_condition', title: 'node condition', for: 'node', run: nodeCondition },
  { id: 'coredumps', title: 'coredumps', for: 'node', run: coredumps },
  { id: 'jobs_socket', title: "jobs' socket", for: 'node', run: jobsSocket },
  { id: 'ras', title: 'error counters', for: 'node', run: ras },
  { id: 'otlp', title: 'OTLP log events', for: 'node', run: otlp },
  { id: 'otlp_metrics', title: 'OTLP metrics', for: 'node', run: otlpMetrics },
  { id: 'web_config', title: 'web configuration', for: 'node', run: webConfig },
];

const NO_ADDON = 'not tried: the native addon does not load';
const NO_DEVICE = 'not tried: there is no xe device';

function kernel({ privileges: { kernelRelease } }: Facts): Finding {
  return kernelRelease === undefined
    ? warn('procfs does not give the kernel release', 'Mount procfs, or set --path-procfs.')
    : ok(kernelRelease);
}

function addon({ addonError }: Facts): Finding {
  return addonError === undefined ? ok('loaded') : fail(addonError.message, addonError.fix);
}

function devices({ devices: found, survivability, sysRoot }: Facts): Finding | readonly Finding[] {
  if (found.length === 0) {
    return off(
      `no device is bound to the xe driver (${sysRoot}/bus/pci/drivers/xe)`,
      'Nothing to do on a node without an Intel GPU. If there is one, run "lspci -k" to see its driver.',
    );
  }
  return found.map((device) => {
    const { pciBdf, render, model, deviceId } = device;
    const seen = [model || deviceId, render ?? 'no render node'].filter((part) => part !== '').join(', ');
    if (survivability.includes(device)) {
      return {
        ...fail(
          `${seen}, in survivability mode: its firmware is damaged and it runs no work`,
          'Update its firmware with "fwupdmgr update" and power-cycle the node; see survivability_info in sysfs for what failed.',
        ),
        device: pciBdf,
      };
    }
    if (render === undefined) {
      return {
        ...warn(seen, 'Look for xe errors in the kernel log: the driver created no device nodes.'),
        device: pciBdf,
      };
    }
    return { ...ok(seen), device: pciBdf };
  });
}

function notificationPipe({ addonError, pipe }: Facts): Finding {
  if (addonError !== undefined) return off(NO_ADDON);
  if (pipe === undefined) return ok('available');
  const { reason, fix } = pipeSupport(pipe);
  return fail(reason, fix);
}

function watchIoctl({ addonError, pipe, devices: found, watches }: Facts): Finding | readonly Finding[] {
  if (addonError !== undefined) return off(NO_ADDON);
  if (found.length === 0) return off(NO_DEVICE);
  if (pipe !== undefined) return off('not tried: there is no notification pipe to attach');
  return watches.map(({ device: { pciBdf }, support: { request, reason, fix } }) => ({
    ...(request === undefined ? fail(reason, fix) : ok(reason)),
    device: pciBdf,
  }));
}

function clientsAnnounced({ announced, devices: found, scanIntervalMs }: Facts): Finding {
  if (found.length === 0) return off(NO_DEVICE);
  const seconds = scanIntervalMs / 1000;
  const cost = `procfs is scanned for new ones every ${seconds} s, and earlier errors are missed`;
  if (announced === undefined) return off(`off with --discovery=proc: ${cost}`);
  const { path, clients } = announced;
  if (clients > 0) return ok(`by the kernel, in ${path}: new clients are watched at once`);
  return clients === 0
    ? warn(
        `${path} shows no client: there is none now, or the kernel does not announce them; then ${cost}`,
        'Run Linux 7.x if every second counts, or shorten --scan-interval.',
      )
    : warn(`${path} cannot be read: ${cost}`, "Mount the node's debugfs read-only, or set --path-debugfs.");
}

/** Without the watch queue the kernel log reports rebind errors and the trace their processes. */
function kernelMessages({ messages }: Facts): readonly Finding[] {
  return messages.map(({ source, report: { state, reason, fix } }) => {
    const seen = `${source}: ${reason || 'can be read'}`;
    if (state === 'active') return ok(seen);
    return state === 'disabled' ? off(seen) : warn(seen, fix);
  });
}

function memory({ addonError, devices: found, clients, memory: facts }: Facts): Finding | readonly Finding[] {
  if (facts === undefined) return off('switched off by --memory-interval');
  if (addonError !== undefined) return off(NO_ADDON);
  if (found.length === 0) return off(NO_DEVICE);
  return facts.map((each) => deviceMemory(each, clients?.scan.denied ?? 0));
}

function podNames({ podNames: { state, reason, fix } }: Facts): Finding {
  if (state === 'active') return ok(reason || 'known');
  return state === 'disabled' ? off(reason) : warn(`events carry container ids only: ${reason}`, fix);
}

function kubernetesEvents({ kubernetesEvents: rights }: Facts): Finding {
  if (rights === undefined) return off('off', 'To write Events on affected pods, set --kubernetes-events.');
  const { state, reason, fix } = rights;
  return state === 'active' ? ok('may be written in every namespace') : fail(reason, fix);
}

function nodeCondition({ nodeCondition: rights }: Facts): Finding {
  if (rights === undefined)
    return off('off', 'To have the fitness of the GPUs as a condition of the node, set --kubernetes-node-condition.');
  const { state, reason, fix } = rights;
  return state === 'active' ? ok(`${NODE_CONDITION} may be written`) : fail(reason, fix);
}

function coredumps({ coredumps: support }: Facts): Finding {
  if (support === undefined)
    return off('not copied', 'The kernel keeps one for an hour. To have copies, set --coredump-dir.');
  const { state, reason, fix } = support;
  return state === 'active' ? ok('are copied') : fail(reason, fix);
}

function ras({ addonError, ras: support, devices: found }: Facts): Finding {
  if (addonError !== undefined) return off(NO_ADDON);
  if (support === undefined) return off('not read', 'To read those of server GPUs, set --ras-interval.');
  if (found.length === 0) return off(NO_DEVICE);
  const { state, reason, fix } = support;
  if (state === 'active') return ok('can be read');
  return state === 'denied' ? fail(reason, fix) : warn(reason, fix);
}

function clientsVisible({ addonError, clients, devices: found }: Facts): Finding {
  if (addonError !== undefined) return off(NO_ADDON);
  if (clients === undefined) return off(found.length === 0 ? NO_DEVICE : 'not tried: the devices have no drm nodes');
  const { fds, processes, denied, failure } = clients.scan;
  if (failure !== undefined) {
    return fail(
      `procfs cannot be searched: ${failure.operation} failed with ${errnoName(failure.errno)}`,
      'Mount procfs, or set --path-procfs.',
    );
  }
  const seen = `${fds.length} open drm files in ${processes} processes`;
  return denied === 0
    ? ok(seen)
    : warn(`${seen}; ${denied} processes cannot be inspected`, 'See capabilities and security module below.');
}

function clientsBorrowable({ addonError, clients }: Facts): Finding {
  if (addonError !== undefined) return off(NO_ADDON);
  if (clients === undefined || clients.scan.failure !== undefined)
    return off('not tried: clients cannot be searched for');
  const { tried, borrowed, gone, refusal } = clients;
  if (tried === gone) return ok('not tried: no process has a device open');
  const seen = `${borrowed} of ${tried - gone}`;
  return refusal === undefined
    ? ok(seen)
    : fail(
        `${seen}; ${refusal.operation} was refused with ${errnoName(refusal.errno)}`,
        'See capabilities, Yama and security module below.',
      );
}

function otlp({ otlp: decision }: Facts): Finding {
  return otlpFinding(decision, 'To send log events, set --otlp-endpoint or OTEL_EXPORTER_OTLP_ENDPOINT.');
}

function otlpMetrics({ otlpMetrics: decision }: Facts): Finding {
  return otlpFinding(decision, 'To push metrics as well as serving /metrics, set --otlp-metrics and --otlp-endpoint.');
}

function otlpFinding({ wanted, reason, warning }: OtlpDecision, howToSwitchOn: string): Finding {
  const fix = 'Check --otlp-endpoint and the OTEL_* variables.';
  if (warning !== undefined)
    return wanted ? warn(`on: ${reason}; ${warning}`, fix) : fail(`${reason}: ${warning}`, fix);
  if (wanted) return ok(`on: ${reason}`);
  return off(`off: ${reason}`, howToSwitchOn);
}
