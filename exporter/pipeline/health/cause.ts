import type { DeviceEvent } from '../../events/device-event.js';
import type { HealthCause } from '../../events/device-health.js';
import { ATTRIBUTE } from '../../names.js';
import { toLogRecord, type LogRecordOptions } from '../log/log-record.js';

/** What is kept of the event that began the trouble of a device: what its log event says, in short. */
export function causeOf(event: DeviceEvent, options: LogRecordOptions): HealthCause {
  const { eventName, timestampNs, body, attributes } = toLogRecord(event, options);
  const time = new Date(Number(timestampNs / 1_000_000n)).toISOString();
  return { event: eventName, id: String(attributes[ATTRIBUTE.eventId]), time, body };
}
