import type { Count, DeviceStatus, DropStatus, NodeStatus, SourceStatus } from '../http/status/node-status.js';
import type { Flow } from './flow.js';
import type { XeDevice } from '../host/device.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import type { FeatureBoard } from '../features.js';
import { ERRNO_LABELS, LABEL, type SourceName } from '../names.js';

export interface NodeStatusOptions {
  readonly version: string;
  /** Name of the node. */
  readonly nodeName: string;
  readonly node: Pick<Flow, 'devices' | 'clients' | 'health'>;
  readonly metrics: ExporterMetrics;
  readonly features: FeatureBoard;
}

/** Puts together what the status page shows, from tables and counters that exist: it asks no device anything. */
export async function nodeStatus(options: NodeStatusOptions): Promise<NodeStatus> {
  const { version, nodeName, node, metrics, features } = options;
  const sources = (await metrics.sourceUp.get()).values;
  const drops = (await metrics.eventsDropped.get()).values;
  const received = (await metrics.eventsReceived.get()).values;
  const receivedFrom = (source: SourceName) =>
    received.reduce((sum, { labels, value }) => (labels[LABEL.source] === source ? sum + value : sum), 0);
  return {
    version,
    node: nodeName,
    devices: shownDevices(node).map((device) => deviceStatus(device, node, metrics)),
    sources: sources.map(({ labels, value }) => {
      const name = labels[LABEL.source] as SourceName;
      return sourceStatus(name, value === 1, receivedFrom(name), metrics);
    }),
    features: features.all(),
    drops: drops.map(({ labels, value }) => ({ ...labels, count: value }) as unknown as DropStatus),
  };
}

/** Those that are bound, and those that are lost. */
function shownDevices({ devices, health }: NodeStatusOptions['node']): readonly XeDevice[] {
  const bound = devices.devices;
  const lost = health().filter(({ pciBdf }) => bound.every((device) => device.pciBdf !== pciBdf));
  return [...bound, ...lost.map(({ pciBdf }) => devices.named(pciBdf))];
}

function deviceStatus(
  device: XeDevice,
  { clients, health }: NodeStatusOptions['node'],
  { devices }: ExporterMetrics,
): DeviceStatus {
  const { pciBdf, vendorId, deviceId, model, driverVersion, card, render } = device;
  const { present, watched } = clients.counts(device);
  const rebindErrors = devices.rebindErrors(pciBdf);
  return {
    pciBdf,
    model,
    pciId: `${vendorId.replace(/^0x/, '')}:${deviceId.replace(/^0x/, '')}`,
    nodes: [card, render].filter((name) => name !== undefined),
    driverVersion,
    clients: present,
    clientsWatched: watched,
    health: health().find((one) => one.pciBdf === pciBdf),
    lastError: devices.rebindErrorLastTimestamp(pciBdf).value,
    rebindErrors: ERRNO_LABELS.map((errno, index) => [errno, rebindErrors[index]?.value ?? 0]),
    otherErrors: devices.counters
      .all(pciBdf)
      .map(({ metric, labelValue, count }): Count<string> => [
        `${labelValue} ${spokenName(metric)}`.trimStart(),
        count,
      ]),
  };
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
