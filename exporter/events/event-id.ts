import type { DeviceEvent } from './device-event.js';

/** What names an event in logs, exemplars and answers: unique over all exporters and their starts, at most 53 characters. */
export function eventId(instanceId: string, { sequence }: Pick<DeviceEvent, 'sequence'>): string {
  return `${instanceId}-${sequence}`;
}
