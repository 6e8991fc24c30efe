import type { DeviceHealth } from '../../exporter/events/device-health.js';
import type { ClientStatus, DeviceStatus, NodeStatus, SourceStatus } from '../../exporter/http/status/node-status.js';

/** Fit for work since 2026-01-31 at noon. */
export function aHealth(given: Partial<DeviceHealth> = {}): DeviceHealth {
  return {
    pciBdf: '0000:03:00.0',
    state: 'ok',
    reason: 'ok',
    sinceMs: 1_769_860_800_000,
    cause: undefined,
    advice: '',
    ...given,
  };
}

/** A quiet B580 with three watched clients. */
export function aDeviceStatus(given: Partial<DeviceStatus> = {}): DeviceStatus {
  return {
    pciBdf: '0000:03:00.0',
    model: '',
    pciId: '8086:e20b',
    nodes: ['card0', 'renderD128'],
    driverVersion: '',
    clients: 3,
    clientsWatched: 3,
    health: aHealth(),
    lastError: 0,
    rebindErrors: [
      ['ENOMEM', 0],
      ['ENOSPC', 0],
    ],
    otherErrors: [['job timeouts', 0]],
    memory: undefined,
    history: [],
    victims: [],
    ...given,
  };
}

/** A watched client of a pod, with half of a B580. */
export function aClientStatus(given: Partial<ClientStatus> = {}): ClientStatus {
  return {
    pciBdf: '0000:03:00.0',
    owner: 'ml/train-0',
    container: 'main',
    process: 'python3 (pid 4711)',
    bytes: 6 * 1024 ** 3,
    errors: 0,
    lastError: 0,
    naming: 'watched',
    ...given,
  };
}

/** A watch_queue that is up. */
export function aSourceStatus(given: Partial<SourceStatus> = {}): SourceStatus {
  return { name: 'watch_queue', up: true, received: 0, lost: 0, restarts: 0, ...given };
}

/** A node on which all is well. */
export function aNodeStatus(given: Partial<NodeStatus> = {}): NodeStatus {
  return {
    version: '1.2.3',
    node: 'node-a',
    devices: [aDeviceStatus()],
    clients: [],
    sources: [aSourceStatus()],
    features: [],
    drops: [],
    grafanaUrl: '',
    ...given,
  };
}
