import type { ProcessIdentity, Workload, XeClient } from '../../exporter/clients/client.js';
import type { DeviceEvent } from '../../exporter/events/device-event.js';
import { vmRebindError } from '../../exporter/events/definitions/vm-rebind-error.js';
import type { XeDevice } from '../../exporter/host/device.js';
import { toLogRecord, type LogRecord } from '../../exporter/pipeline/log/log-record.js';

/** An Intel B580 at 0000:03:00.0; give what a test is about. */
export function aDevice(given: Partial<XeDevice> = {}): XeDevice {
  return {
    pciBdf: '0000:03:00.0',
    card: 'card0',
    render: 'renderD128',
    cardMinor: 0,
    renderMinor: 128,
    vendorId: '0x8086',
    deviceId: '0xe20b',
    model: '',
    driverVersion: '',
    serial: '',
    physicalFunction: '',
    numaNode: -1,
    binding: 1,
    ...given,
  };
}

/** Container main of pod ml/train-0. */
export function aWorkload(given: Partial<Workload> = {}): Workload {
  return {
    containerId: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    podUid: '3d1c7d4e-8f0a-4b3c-9c1e-2f6a5b7c8d9e',
    namespace: 'ml',
    pod: 'train-0',
    container: 'main',
    owner: 'pod:3d1c7d4e-8f0a-4b3c-9c1e-2f6a5b7c8d9e',
    ...given,
  };
}

/** Process 4711, python3, outside any container. */
export function aClient(
  given: Partial<Omit<XeClient, 'process'>> & { process?: Partial<ProcessIdentity> } = {},
): XeClient {
  return {
    drmClientId: 7,
    device: aDevice(),
    workload: undefined,
    holderCount: 1,
    ...given,
    process: {
      pid: 4711,
      startTime: 123_456n,
      executable: 'python3',
      createdAt: '2026-01-31T11:00:00.000Z',
      ...given.process,
    },
  };
}

/** Client {@link aClient} lost VM 5 for want of memory (-ENOMEM) on 2026-01-31 at noon. */
export function anEvent(given: Partial<DeviceEvent> = {}): DeviceEvent {
  const client = 'client' in given ? given.client : aClient();
  return {
    definition: vmRebindError,
    source: 'watch_queue',
    report: 'full',
    sequence: 1,
    realtimeNs: 1_769_860_800_123_456_789n,
    monotonicNs: 5_000_000_000n,
    client,
    device: client?.device,
    vmId: 5,
    errorCode: -12,
    lostMessages: 0,
    said: undefined,
    causeId: undefined,
    repeats: 0,
    outcome: undefined,
    details: undefined,
    inferred: undefined,
    memory: undefined,
    phase: 'whole',
    ...given,
  };
}

/** The log record of an event, as exporter `node-a-42` writes it. */
export function recordOf(event: DeviceEvent, suppressed = 0, includeProcess = true): LogRecord {
  return toLogRecord(event, { instanceId: 'node-a-42', includeProcess }, suppressed);
}

/** The attributes of the log record of {@link anEvent}, beside its id and its workload. */
export const RECORD_ATTRIBUTES = {
  'xe.event.source': 'watch_queue',
  'error.type': 'ENOMEM',
  'hw.id': '0000:03:00.0',
  'hw.type': 'gpu',
  'hw.name': 'card0',
  'hw.vendor': 'Intel',
  'pci.bdf': '0000:03:00.0',
  'pci.vendor_id': '0x8086',
  'pci.device_id': '0xe20b',
  'xe.drm.client_id': 7,
  'process.pid': 4711,
  'process.executable.name': 'python3',
  'process.creation.time': '2026-01-31T11:00:00.000Z',
  'xe.vm.id': 5,
  'xe.vm.errno': -12,
} as const;
