import { type SourceName } from '../../names.js';
import { HEADER_BYTES, META_SUBTYPE, WATCH_TYPE } from '../../wire/watch-notification.js';
import { define } from '../definition.js';
import type { DeviceEvent } from '../device-event.js';

/** What the kernel did, by source, to at least `count` messages. */
const LOST: Readonly<Record<SourceName, (count: number) => string>> = {
  watch_queue: () => 'discarded GPU events because its ring of 512 records was full',
  simulator: () => 'discarded GPU events because its ring of 512 records was full',
  kmsg: (count) => `overwrote ${count} or more lines of its log before they were read`,
  trace: (count) => `overwrote ${count} or more events of the driver's trace before they were read`,
  uevent: (count) => `discarded ${count} or more uevents because the socket was full`,
};

/** How many messages are missing at least: one where the kernel gives no number. */
export function lostMessages(event: DeviceEvent): number {
  return Math.max(1, event.lostMessages);
}

/**
 * The kernel's notice that messages were discarded. That of a notification pipe belongs to the pipe, not to a watch, and carries no
 * number (fs/pipe.c, Linux 7.2).
 */
export const eventsLost = define({
  name: 'xe.exporter.events_lost',
  summary: 'the kernel discarded events before they were read',
  wire: { type: WATCH_TYPE.META, subtype: META_SUBTYPE.LOSS, minLength: HEADER_BYTES },
  severity: () => 13,
  errorType: (event) => event.source,
  body: (event) => `The kernel ${LOST[event.source](lostMessages(event))}: some events are missing from the counts.`,
});
