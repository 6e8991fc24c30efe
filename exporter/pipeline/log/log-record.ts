import type { Workload, XeClient } from '../../clients/client.js';
import { deviceHealthChanged } from '../../events/definitions/device-health-changed.js';
import type { AttributeValue, DeviceEvent, Severity } from '../../events/device-event.js';
import { eventId } from '../../events/event-id.js';
import { memoryAttributes } from '../../events/text/memory-attributes.js';
import { INTEL_VENDOR_ID, type XeDevice } from '../../host/device.js';
import { ATTRIBUTE } from '../../names.js';

/** One event as a log record of the OpenTelemetry data model. Severity text is left out: the number says it all. */
export interface LogRecord {
  readonly eventName: string;
  readonly severityNumber: Severity;
  /** CLOCK_REALTIME, nanoseconds since the epoch. */
  readonly timestampNs: bigint;
  readonly body: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface LogRecordOptions {
  /** `service.instance.id` of this exporter process: makes `xe.event.id` unique over restarts and nodes. */
  readonly instanceId: string;
  /** False leaves out the victim's pid, executable and start time, in the body too. */
  readonly includeProcess: boolean;
}

type Attributes = Record<string, AttributeValue>;

/**
 * The log record of an event, with the attributes of the catalogue; an attribute whose value is not known is absent. Pure.
 *
 * @param suppressed how many events that were held back it stands for beside its own repeats
 */
export function toLogRecord(event: DeviceEvent, options: LogRecordOptions, suppressed = 0): LogRecord {
  const { definition } = event;
  const shown = options.includeProcess ? event : withoutProcess(event);
  const attributes: Attributes = {
    [ATTRIBUTE.eventId]: eventId(options.instanceId, event),
    [ATTRIBUTE.eventSource]: event.source,
  };
  const heldBack = suppressed + event.repeats;
  if (heldBack > 0) attributes[ATTRIBUTE.suppressedCount] = heldBack;
  put(attributes, ATTRIBUTE.errorType, definition.errorType(event));
  const device = event.device ?? event.client?.device;
  if (device) putDevice(attributes, device);
  const victim = event.client ?? event.inferred?.client;
  if (victim) putClient(attributes, victim, options.includeProcess);
  if (event.inferred && !event.client) {
    attributes[ATTRIBUTE.victimInferred] = true;
    attributes[ATTRIBUTE.victimEvidence] = event.inferred.evidence;
  }
  if (event.memory) Object.assign(attributes, memoryAttributes(event.memory, victim?.drmClientId));
  Object.assign(attributes, shown.details, definition.attributes(shown));
  put(attributes, ATTRIBUTE.eventCauseId, event.causeId);
  return {
    eventName: definition.name,
    severityNumber: definition.severity(event),
    timestampNs: event.realtimeNs,
    body: bodyOf(shown),
    attributes,
  };
}

/** Whoever reads a consequence alone should look for its cause; a change of health names what is wrong itself. */
function bodyOf(event: DeviceEvent): string {
  const { definition, causeId, repeats } = event;
  const follows = causeId !== undefined && definition !== deviceHealthChanged;
  const clauses = [
    definition.body(event).slice(0, -1),
    ...(follows ? ['it follows from an earlier event of this GPU'] : []),
    ...(repeats > 0 ? [`the driver has repeated this ${repeats.toLocaleString('en')} times`] : []),
  ];
  return `${clauses.join('; ')}.`;
}

function putDevice(attributes: Attributes, device: XeDevice): void {
  attributes[ATTRIBUTE.hwId] = device.pciBdf;
  attributes[ATTRIBUTE.hwType] = 'gpu';
  put(attributes, ATTRIBUTE.hwName, device.card ?? device.render);
  put(attributes, ATTRIBUTE.hwModel, device.model);
  if (device.vendorId === INTEL_VENDOR_ID) attributes[ATTRIBUTE.hwVendor] = 'Intel';
  put(attributes, ATTRIBUTE.hwDriverVersion, device.driverVersion);
  attributes[ATTRIBUTE.pciBdf] = device.pciBdf;
  put(attributes, ATTRIBUTE.pciVendorId, device.vendorId);
  put(attributes, ATTRIBUTE.pciDeviceId, device.deviceId);
}

function putClient(attributes: Attributes, client: XeClient, includeProcess: boolean): void {
  attributes[ATTRIBUTE.drmClientId] = client.drmClientId;
  // One is what everybody expects.
  if (client.holderCount > 1) attributes[ATTRIBUTE.drmClientHolders] = client.holderCount;
  if (includeProcess) {
    attributes[ATTRIBUTE.pid] = client.process.pid;
    put(attributes, ATTRIBUTE.executable, client.process.executable);
    put(attributes, ATTRIBUTE.processCreationTime, client.process.createdAt);
  }
  if (client.workload) Object.assign(attributes, workloadAttributes(client.workload));
}

/** Who a workload is; what is not known is left out. */
export function workloadAttributes(workload: Workload): Record<string, AttributeValue> {
  const attributes: Attributes = {};
  put(attributes, ATTRIBUTE.containerId, workload.containerId);
  put(attributes, ATTRIBUTE.k8sNamespace, workload.namespace);
  put(attributes, ATTRIBUTE.k8sPod, workload.pod);
  put(attributes, ATTRIBUTE.k8sPodUid, workload.podUid);
  put(attributes, ATTRIBUTE.k8sContainer, workload.container);
  put(attributes, ATTRIBUTE.systemdUnit, workload.systemdUnit);
  put(attributes, ATTRIBUTE.slurmJobId, workload.slurmJobId);
  return attributes;
}

function put(attributes: Attributes, name: string, value: string | undefined): void {
  if (value !== undefined && value !== '') attributes[name] = value;
}

/** What can name a process; a line of the kernel log that nobody has read yet can, too. */
const OF_PROCESS: readonly string[] = [ATTRIBUTE.pid, ATTRIBUTE.executable, ATTRIBUTE.kernelLogMessage];

/** What a definition may write its sentence from when the process is private: pid 0 and no name. */
function withoutProcess(event: DeviceEvent): DeviceEvent {
  const process = { pid: 0, startTime: 0n, executable: '', createdAt: undefined };
  const hidden = (client: XeClient): XeClient => ({ ...client, process });
  return {
    ...event,
    client: event.client && hidden(event.client),
    inferred: event.inferred && { ...event.inferred, client: hidden(event.inferred.client) },
    details:
      event.details && Object.fromEntries(Object.entries(event.details).filter(([name]) => !OF_PROCESS.includes(name))),
  };
}
