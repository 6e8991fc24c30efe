import type { XeClient } from '../clients/client.js';
import type { ClientEntry } from '../clients/client-table.js';
import type { FeatureBoard } from '../features.js';
import type { XeDevice } from '../host/device.js';
import type { RegionMemory } from '../host/memory.js';
import type {
  ClientStatus,
  Count,
  DeviceMemoryStatus,
  DeviceStatus,
  DropStatus,
  NodeStatus,
  SourceStatus,
} from '../http/status/node-status.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { HISTORY_MS, type DeviceMoment, type RecentHistory } from '../metrics/recent-history.js';
import { ERRNO_LABELS, LABEL, type SourceName } from '../names.js';
import type { Flow } from './flow.js';
import { OwnerErrors } from './owner-errors.js';

export interface NodeStatusOptions {
  readonly version: string;
  /** Name of the node. */
  readonly nodeName: string;
  readonly node: Pick<Flow, 'devices' | 'clients' | 'health' | 'memory'>;
  readonly metrics: ExporterMetrics;
  readonly features: FeatureBoard;
  readonly history: RecentHistory;
  /** False leaves out names and ids of processes. */
  readonly includeProcess: boolean;
  readonly grafanaUrl: string;
}

/** Puts together what the status page shows, from tables and counters that exist: it asks no device anything. */
export async function nodeStatus(options: NodeStatusOptions): Promise<NodeStatus> {
  const { version, nodeName, node, metrics, features, grafanaUrl } = options;
  const sources = (await metrics.sourceUp.get()).values;
  const drops = (await metrics.eventsDropped.get()).values;
  const received = (await metrics.eventsReceived.get()).values;
  const receivedFrom = (source: SourceName) =>
    received.reduce((sum, { labels, value }) => (labels[LABEL.source] === source ? sum + value : sum), 0);
  const errors = await OwnerErrors.read(metrics.devices.clientRebindErrors);
  const traced = features.all().some(({ feature, state }) => feature === 'trace' && state === 'active');
  const clients = [...node.clients.entries()].map((entry) => clientStatus(entry, errors, traced, options));
  return {
    version,
    node: nodeName,
    devices: shownDevices(node).map((device) => deviceStatus(device, clients, errors, options)),
    clients,
    sources: sources.map(({ labels, value }) => {
      const name = labels[LABEL.source] as SourceName;
      return sourceStatus(name, value === 1, receivedFrom(name), metrics);
    }),
    features: features.all(),
    drops: drops.map(({ labels, value }) => ({ ...labels, count: value }) as unknown as DropStatus),
    grafanaUrl,
  };
}

/** How the devices that are bound are now, for their history. */
export function deviceMoments(
  { devices, memory }: Pick<Flow, 'devices' | 'memory'>,
  metrics: ExporterMetrics,
): ReadonlyMap<string, DeviceMoment> {
  return new Map(
    devices.devices.map((device) => {
      const { usedBytes, sizeBytes = 0 } = deviceMemory(memory.regions(device)) ?? {};
      const errors = metrics.devices.rebindErrors(device.pciBdf).map(({ value }) => value);
      const usedShare = usedBytes === undefined || sizeBytes === 0 ? undefined : usedBytes / sizeBytes;
      return [device.pciBdf, { usedShare, errors }];
    }),
  );
}

/** Those that are bound, and those that are lost. */
function shownDevices({ devices, health }: NodeStatusOptions['node']): readonly XeDevice[] {
  const bound = devices.devices;
  const lost = health().filter(({ pciBdf }) => bound.every((device) => device.pciBdf !== pciBdf));
  return [...bound, ...lost.map(({ pciBdf }) => devices.named(pciBdf))];
}

function deviceStatus(
  device: XeDevice,
  clients: readonly ClientStatus[],
  errors: OwnerErrors,
  { node, metrics, history }: NodeStatusOptions,
): DeviceStatus {
  const { pciBdf, vendorId, deviceId, model, driverVersion, card, render } = device;
  const { present, watched } = node.clients.counts(device);
  const rebindErrors = metrics.devices.rebindErrors(pciBdf);
  return {
    pciBdf,
    model,
    pciId: `${vendorId.replace(/^0x/, '')}:${deviceId.replace(/^0x/, '')}`,
    nodes: [card, render].filter((name) => name !== undefined),
    driverVersion,
    clients: present,
    clientsWatched: watched,
    health: node.health().find((one) => one.pciBdf === pciBdf),
    lastError: metrics.devices.rebindErrorLastTimestamp(pciBdf).value,
    rebindErrors: ERRNO_LABELS.map((errno, index) => [errno, rebindErrors[index]?.value ?? 0]),
    otherErrors: metrics.devices.counters
      .all(pciBdf)
      .map(({ metric, labelValue, count }): Count<string> => [
        `${labelValue} ${spokenName(metric)}`.trimStart(),
        count,
      ]),
    memory: memoryStatus(
      node.memory.regions(device),
      clients.filter((client) => client.pciBdf === pciBdf),
    ),
    history: history.of(pciBdf),
    victims: errors.hitSince(pciBdf, (Date.now() - HISTORY_MS) / 1000),
  };
}

function clientStatus(
  entry: ClientEntry,
  errors: OwnerErrors,
  traced: boolean,
  { node, includeProcess }: NodeStatusOptions,
): ClientStatus {
  const { client, watched } = entry;
  const { device, process, workload } = client;
  const held = node.memory.heldBy(entry);
  const { count, lastSeconds } = errors.of(device.pciBdf, workload);
  return {
    pciBdf: device.pciBdf,
    owner: ownerName(client, includeProcess),
    container: workload?.container ?? '',
    process: includeProcess ? `${process.executable} (pid ${process.pid})` : '',
    bytes: held && sumOf(vram(held), ({ residentBytes }) => residentBytes),
    errors: count,
    lastError: lastSeconds,
    naming: watched ? 'watched' : traced ? 'trace' : 'guess',
  };
}

function memoryStatus(
  regions: readonly RegionMemory[],
  clients: readonly ClientStatus[],
): DeviceMemoryStatus | undefined {
  const device = deviceMemory(regions);
  if (device === undefined) return undefined;
  const byOwner = new Map<string, number>();
  for (const { owner, bytes = 0 } of clients) if (bytes > 0) byOwner.set(owner, (byOwner.get(owner) ?? 0) + bytes);
  const holders = [...byOwner].map(([owner, bytes]) => ({ owner, bytes }));
  return { ...device, holders: holders.sort((a, b) => b.bytes - a.bytes) };
}

/** All of the device's own memory, or the host memory of an integrated GPU. */
function deviceMemory(regions: readonly RegionMemory[]): Omit<DeviceMemoryStatus, 'holders'> | undefined {
  const shown = vram(regions);
  if (shown.length === 0) return undefined;
  const isKnown = shown.every(({ usedBytes }) => usedBytes !== undefined);
  return {
    usedBytes: isKnown ? sumOf(shown, ({ usedBytes }) => usedBytes ?? 0) : undefined,
    sizeBytes: sumOf(shown, ({ sizeBytes }) => sizeBytes),
  };
}

function vram<Region extends { readonly region: string }>(regions: readonly Region[]): readonly Region[] {
  const own = regions.filter(({ region }) => region.startsWith('vram'));
  return own.length > 0 ? own : regions;
}

function sumOf<Item>(items: readonly Item[], bytesOf: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + bytesOf(item), 0);
}

/** The name a person knows the owner of a client by: all clients of a pod have the same. */
function ownerName({ workload, process }: XeClient, includeProcess: boolean): string {
  if (workload?.pod) return `${workload.namespace}/${workload.pod}`;
  if (workload?.slurmJobId) return `Slurm job ${workload.slurmJobId}`;
  if (workload?.systemdUnit) return workload.systemdUnit;
  if (workload?.containerId) return `container ${workload.containerId.slice(0, 12)}`;
  return includeProcess ? `${process.executable} (pid ${process.pid})` : 'host process';
}

function sourceStatus(name: SourceName, up: boolean, received: number, metrics: ExporterMetrics): SourceStatus {
  return {
    name,
    up,
    received,
    lost: metrics.eventsLost.cell(name).value,
    restarts: metrics.sourceRestarts.cell(name).value,
  };
}

/** `job timeouts` of `xe_job_timeouts_total`. */
function spokenName(metric: string): string {
  return metric.replace(/^xe_|_total$/g, '').replaceAll('_', ' ');
}
