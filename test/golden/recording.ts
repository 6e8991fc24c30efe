import { readFileSync } from 'node:fs';
import type { XeClient } from '../../exporter/clients/client.js';
import type { XeDevice } from '../../exporter/host/device.js';

/** What a kernel said and when, in nanoseconds of CLOCK_MONOTONIC as a decimal number. Bytes of watch records are base64. */
export type Recorded = { readonly at: string } & (
  | { readonly what: 'client_added' | 'client_removed'; readonly drmClientId: number }
  | { readonly what: 'watch_queue'; readonly bytes: string; readonly owners: Readonly<Record<string, number>> }
  | { readonly what: 'kmsg'; readonly text: string }
  | { readonly what: 'trace'; readonly text: string }
  | { readonly what: 'uevent'; readonly text: string; readonly dump?: RecordedDump }
);

/** The device coredump that a uevent announces: whose it is, and how it begins. */
export interface RecordedDump {
  readonly pciBdf: string;
  readonly head: string;
}

/** A client as it was when it was found. */
export type RecordedClient = Pick<XeClient, 'drmClientId' | 'workload'> & {
  readonly pciBdf: string;
  readonly pid: number;
  readonly executable: string;
};

/** One scenario: who was there, and everything the kernel said, in order. */
export interface Recording {
  /** `uname -r`, or where else the messages are from. */
  readonly kernel: string;
  readonly devices: readonly XeDevice[];
  readonly clients: readonly RecordedClient[];
  readonly messages: readonly Recorded[];
}

/** A recording is a file of JSON lines: the first says who was there, each of the others is one message. */
export function readRecording(path: string): Recording {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const messages = lines.map((line) => JSON.parse(line) as Recorded);
  return { ...(JSON.parse(head) as Omit<Recording, 'messages'>), messages };
}

export function writeRecording({ messages, ...head }: Recording): string {
  return [head, ...messages].map((line) => `${JSON.stringify(line)}\n`).join('');
}
