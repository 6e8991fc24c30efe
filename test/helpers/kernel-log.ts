import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Decoder } from '../../exporter/pipeline/decode/decoder.js';
import type { DeviceEvent } from '../../exporter/events/device-event.js';
import { eventDefinitions } from '../../exporter/events/index.js';
import { parseKmsgRecord, parseSyslogLine, type KernelLogLine } from '../../exporter/wire/kernel-log.js';
import { aDevice } from './events.js';

export const KERNEL_LOG_FIXTURES = 'test/fixtures/kernel-log';

/** The fixtures with this ending, as paths below their folder, without it. */
export function fixturesEnding(ending: string): string[] {
  return readdirSync(KERNEL_LOG_FIXTURES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => path.slice(0, -ending.length))
    .sort();
}

/** What a source reads of a fixture, one string a read: a syslog line, or a record with its continuation lines. */
export function recordsOf(path: string): string[] {
  const text = readFileSync(join(KERNEL_LOG_FIXTURES, path)).toString('utf8');
  return text.trimEnd().split(/\n(?! )/);
}

/** The record /dev/kmsg has for a line of syslog(2): bytes escaped, and the stamp of the device that speaks. */
export function asKmsgRecord(syslogLine: string, sequence = 7): string {
  const [, priority, seconds, micros, text = ''] = /^<(\d+)>\[ *(\d+)\.(\d{6})\] ([^]*)$/.exec(syslogLine) ?? [];
  const device = /^\S+ ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): /.exec(text)?.[1];
  const stamp = device === undefined ? '' : `\n SUBSYSTEM=pci\n DEVICE=+pci:${device}`;
  return `${priority},${sequence},${Number(`${seconds}${micros}`)},-;${escaped(text)}${stamp}`;
}

/** As msg_add_ext_text() of the kernel escapes. */
export function escaped(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte < 0x20 || byte >= 0x7f || byte === 0x5c
        ? `\\x${byte.toString(16).padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('');
}

export function parseRecord(text: string): KernelLogLine | undefined {
  return text.startsWith('<') ? parseSyslogLine(text) : parseKmsgRecord(text);
}

/** The events of records, each read a second after the node was up for a day. */
export function eventsOf(records: readonly string[]): { events: DeviceEvent[]; malformed: number } {
  let malformed = 0;
  const events: DeviceEvent[] = [];
  const decoder = new Decoder(eventDefinitions, {
    received: () => undefined,
    dropped: (_reason, count) => (malformed += count),
  });
  for (const record of records) {
    const line = parseRecord(record);
    const device = line?.pciBdf === undefined ? undefined : aDevice({ pciBdf: line.pciBdf });
    const stamp = { source: 'kmsg', realtimeNs: 1_769_860_800_000_000_000n, monotonicNs: 86_401_000_000_000n } as const;
    decoder.decode({ kind: 'kernel_log', ...stamp, line, device }, (event) => events.push(event));
  }
  return { events, malformed };
}
