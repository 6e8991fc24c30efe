import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceCoredump } from '../../exporter/events/definitions/device-coredump.js';
import { deviceHealthChanged } from '../../exporter/events/definitions/device-health-changed.js';
import { sourceChanged } from '../../exporter/events/definitions/source-changed.js';
import { vmRebindOutcome } from '../../exporter/events/definitions/vm-rebind-outcome.js';
import type { DeviceEvent } from '../../exporter/events/device-event.js';
import { eventDefinitions } from '../../exporter/events/index.js';
import type { MemorySnapshot } from '../../exporter/host/memory.js';
import { ATTRIBUTE } from '../../exporter/names.js';
import { Decoder } from '../../exporter/pipeline/decode/decoder.js';
import { jsonLine } from '../../exporter/sinks/json-line.js';
import { toLogRecord } from '../../exporter/pipeline/log/log-record.js';
import type { StampedBatch } from '../../exporter/sources/source.js';
import { readDevcoredump } from '../../exporter/sources/uevent/devcoredump.js';
import { parseUevent } from '../../exporter/wire/uevent.js';
import { VM_ERR_BYTES, WATCH_TYPE, XE_SUBTYPE } from '../../exporter/wire/watch-notification.js';
import { aBatch, rawRecord } from '../../test/helpers/batches.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../test/helpers/events.js';
import { eventsOf, fixturesEnding, recordsOf } from '../../test/helpers/kernel-log.js';
import { UEVENT } from '../../test/helpers/uevents.js';

/** A log event as `--events-stdout` writes it. */
export interface ExampleRecord {
  readonly event_name: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

const DEVICE = aDevice({ model: 'Battlemage G21 [Arc B580]', driverVersion: '1.1' });
const CLIENT = aClient({ device: DEVICE, workload: aWorkload(), holderCount: 2 });
const STAMP = { realtimeNs: 1_769_860_800_123_456_789n, monotonicNs: 86_401_000_000_000n } as const;
const GIB = 1024 ** 3;

/**
 * Log records of every event, through the real decoders: bytes as the watch queue and the uevent socket deliver them, and every kernel
 * log line among the fixtures. The first record of a name is its example; the others show what else it can carry.
 */
export async function exampleRecords(): Promise<readonly ExampleRecord[]> {
  const kernelLog = fixturesEnding('.good.txt').flatMap((path) => eventsOf(recordsOf(`${path}.good.txt`)).events);
  const events = [...fromWatchQueue(), ...(await fromUevents()), ...fromTrace(), ...kernelLog, ...concluded()];
  return events
    .filter(({ definition }) => definition.logged)
    .map((event, index) => {
      const options = { instanceId: '5f0c7e12-9d3b-4a86-b1c4-0e6f2a7d8c35', includeProcess: true };
      return JSON.parse(jsonLine(toLogRecord(event, options, index === 0 ? 3 : 0))) as ExampleRecord;
    });
}

/** An out-of-memory error of a container, with a snapshot of the memory, and a loss. */
function fromWatchQueue(): DeviceEvent[] {
  const record = rawRecord(WATCH_TYPE.DRM_XE_NOTIFY, XE_SUBTYPE.VM_ERR, 9, VM_ERR_BYTES);
  const view = new DataView(record.buffer);
  view.setUint32(8, 5, true);
  view.setInt32(12, -12, true);
  const owners = Array.from({ length: 10 }, () => CLIENT);
  const [error] = decode({ ...aBatch(record, owners), ...STAMP });
  const losses = decode({ kind: 'loss', source: 'kmsg', messages: 12, ...STAMP });
  return [{ ...error!, memory: snapshot() }, ...losses];
}

async function fromUevents(): Promise<DeviceEvent[]> {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-docs-'));
  try {
    mkdirSync(join(folder, 'devcd3'));
    writeFileSync(join(folder, 'devcd3', 'data'), readFileSync('test/fixtures/devcoredump/7.1-mtl.txt'));
    const details = await readDevcoredump(join(folder, 'devcd3'));
    return Object.values(UEVENT).flatMap((bytes) => {
      const uevent = parseUevent(bytes);
      const events = decode({ kind: 'uevent', source: 'uevent', uevent, device: DEVICE, ...STAMP });
      return events.map((event) =>
        event.definition === deviceCoredump ? { ...event, details: { ...event.details, ...details } } : event,
      );
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** VMs that the driver killed, inside and outside the rebind worker. */
function fromTrace(): DeviceEvent[] {
  const owner = { pid: 4711, comm: 'ollama', drmClientId: 7 };
  return [true, false].flatMap((rebind) => {
    const kill = { nanoseconds: STAMP.monotonicNs, pciBdf: DEVICE.pciBdf, owner, rebind };
    return decode({ kind: 'trace', source: 'trace', kill, device: DEVICE, ...STAMP });
  });
}

/** What no batch brings: the exporter concludes it. */
function concluded(): DeviceEvent[] {
  const unit = aWorkload({ containerId: '', podUid: '', namespace: '', pod: '', container: '' });
  const outsideKubernetes = { ...unit, systemdUnit: 'ollama.service', slurmJobId: '4711' };
  const inferred = {
    client: aClient({ device: DEVICE, workload: outsideKubernetes }),
    evidence: 'job_timeout',
  } as const;
  const state = { [ATTRIBUTE.sourceState]: 'down', [ATTRIBUTE.sourceReason]: 'the reader stopped: EIO' };
  const health = {
    [ATTRIBUTE.deviceHealth]: 'unrecovered',
    [ATTRIBUTE.deviceHealthPrevious]: 'recovering',
    [ATTRIBUTE.deviceHealthReason]: 'reset_stuck',
  };
  return [
    anEvent({ definition: vmRebindOutcome, client: CLIENT, outcome: 'exited' }),
    anEvent({
      definition: deviceHealthChanged,
      causeId: '5f0c7e12-9d3b-4a86-b1c4-0e6f2a7d8c35-1',
      source: 'kmsg',
      client: undefined,
      device: DEVICE,
      vmId: 0,
      errorCode: 0,
      details: health,
    }),
    anEvent({ definition: sourceChanged, source: 'kmsg', client: undefined, vmId: 0, errorCode: 0, details: state }),
    ...copies(),
    anEvent({ source: 'kmsg', report: 'bare', client: undefined, device: DEVICE, vmId: 0, inferred }),
  ];
}

/** A coredump that was copied, one that was cut, and one that was not copied. */
function copies(): DeviceEvent[] {
  const path = { [ATTRIBUTE.devcoredumpPath]: '/sys/devices/virtual/devcoredump/devcd3/data' };
  const copy = {
    ...path,
    [ATTRIBUTE.devcoredumpReason]: 'Timedout job - seqno=4294967170',
    [ATTRIBUTE.executable]: 'python3',
    [ATTRIBUTE.pid]: 4711,
    [ATTRIBUTE.devcoredumpCopy]: '/var/lib/xe-exporter/coredumps/20260131T115740.123Z_0000-03-00.0_python3.devcoredump',
    [ATTRIBUTE.devcoredumpCopySize]: 48_234_496,
  };
  const failed = { ...path, [ATTRIBUTE.devcoredumpCopyError]: 'write ended with ENOSPC' };
  const batch = { kind: 'coredump_copy', source: 'uevent', device: DEVICE, ...STAMP } as const;
  return [
    ...decode({ ...batch, details: copy, errorCode: 0 }),
    ...decode({ ...batch, details: { ...copy, [ATTRIBUTE.devcoredumpTruncated]: true }, errorCode: 0 }),
    ...decode({ ...batch, details: failed, errorCode: -28 }),
  ];
}

function decode(batch: StampedBatch): DeviceEvent[] {
  const events: DeviceEvent[] = [];
  const accounting = { received: () => undefined, dropped: () => undefined };
  new Decoder(eventDefinitions, accounting).decode(batch, (event) => events.push(event));
  return events;
}

/** A full GPU, read 2 s before the error, in which others hold memory too. */
function snapshot(): MemorySnapshot {
  const held = (drmClientId: number, owner: string, gibibytes: number) => {
    const bytes = gibibytes * GIB;
    const memory = { residentBytes: bytes, totalBytes: bytes, sharedBytes: 0, purgeableBytes: 0 };
    return { drmClientId, owner, regions: [{ region: 'vram0', ...memory }] };
  };
  return {
    device: DEVICE,
    realtimeNs: STAMP.realtimeNs,
    ageMs: 2_000,
    regions: [
      { region: 'vram0', usedBytes: 11.875 * GIB, sizeBytes: 12 * GIB },
      { region: 'gtt', usedBytes: 3 * GIB, sizeBytes: 31 * GIB },
    ],
    clients: [held(7, 'ml/train-0/main', 8), held(8, 'ml/serve-1/main', 3.5)],
    everyClient: true,
    evictedFor: [{ owner: 'ml/serve-1/main', bytes: 2.5 * GIB }],
  };
}
