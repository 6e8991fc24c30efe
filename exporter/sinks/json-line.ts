import type { LogRecord } from '../pipeline/log/log-record.js';

/** The record as one line of JSON; attributes keep their dotted names. */
export function jsonLine(record: LogRecord): string {
  return JSON.stringify({
    timestamp: isoNanoseconds(record.timestampNs),
    event_name: record.eventName,
    severity_number: record.severityNumber,
    body: record.body,
    attributes: record.attributes,
  });
}

/** ISO 8601 in UTC with nine decimals: `2026-01-31T12:00:00.123456789Z`. */
function isoNanoseconds(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}
