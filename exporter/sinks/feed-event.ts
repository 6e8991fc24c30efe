import type { FeedEvent } from '../events/event-feed.js';
import { ATTRIBUTE } from '../names.js';
import type { LogRecord } from '../pipeline/log/log-record.js';
import { jsonLine } from './json-line.js';

/** A record as readers of event streams get it, with what they choose by. */
export function feedEvent(record: LogRecord): Omit<FeedEvent, 'number'> {
  const { attributes } = record;
  const text = (name: string): string | undefined => attributes[name] as string | undefined;
  const errno = attributes[ATTRIBUTE.vmErrno];
  return {
    name: record.eventName,
    json: jsonLine(record),
    device: text(ATTRIBUTE.pciBdf),
    errno: errno === undefined ? undefined : Math.abs(Number(errno)),
    namespace: text(ATTRIBUTE.k8sNamespace),
    pod: text(ATTRIBUTE.k8sPod),
  };
}
