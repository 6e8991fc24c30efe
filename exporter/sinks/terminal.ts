import { eventsLost } from '../events/definitions/events-lost.js';
import type { DeviceEvent } from '../events/device-event.js';
import { errnoName } from '../wire/errno.js';
import type { DropReason } from '../names.js';
import { jsonLine } from './json-line.js';
import { toLogRecord, type LogRecordOptions } from '../pipeline/log/log-record.js';
import { printable } from './printable.js';
import type { Sink } from '../pipeline/sink.js';

/** Which events are shown. An empty list lets everything through; a loss always passes, because it can hide any of them. */
export interface EventFilter {
  readonly devices: readonly string[];
  readonly pids: readonly number[];
  /** Positive. */
  readonly errnos: readonly number[];
}

export interface TerminalSinkOptions extends LogRecordOptions {
  readonly json: boolean;
  readonly filter: EventFilter;
  /** Writes one line; the newline is included. @returns false while the reader does not keep up */
  readonly write: (line: string) => boolean;
  /** Called after each event that was shown. */
  readonly onShown: () => void;
}

/** Shows events to a person, or to a program as JSON lines, while they happen. */
export class TerminalSink implements Sink<DeviceEvent> {
  readonly name = 'terminal';
  readonly #options: TerminalSinkOptions;
  #closed = false;

  constructor(options: TerminalSinkOptions) {
    this.#options = options;
  }

  accept(event: DeviceEvent): DropReason | undefined {
    const { json, filter, write, onShown } = this.#options;
    if (this.#closed) return 'closed';
    if (!passes(event, filter)) return undefined;
    write(json ? `${jsonLine(toLogRecord(event, this.#options))}\n` : `${readableLine(event)}\n`);
    onShown();
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

/** Whether an event is to be shown. */
export function passes({ definition, device, client, inferred, errorCode }: DeviceEvent, filter: EventFilter): boolean {
  if (definition === eventsLost) return true;
  return (
    matches(filter.devices, device?.pciBdf) &&
    matches(filter.pids, (client ?? inferred?.client)?.process.pid) &&
    matches(filter.errnos, Math.abs(errorCode))
  );
}

function matches<T>(wanted: readonly T[], value: T | undefined): boolean {
  return wanted.length === 0 || (value !== undefined && wanted.includes(value));
}

/**
 * `12:31:00.123  0000:03:00.0  ENOMEM  vm 3  pid 4711 (python3)  client 17  team/pod/container`, with `probably` before a victim that
 * was inferred; an event that is about no VM has its name and its sentence instead.
 */
export function readableLine(event: DeviceEvent): string {
  const time = new Date(Number(event.realtimeNs / 1_000_000n)).toISOString().slice(11, 23);
  const { definition, device } = event;
  if (definition === eventsLost) return `${time}  LOST  ${definition.body(event)}`;
  const columns = definition.ofVm ? vmColumns(event) : [definition.name, printable(definition.body(event))];
  return [time, device?.pciBdf ?? 'unknown device', ...columns].filter(Boolean).join('  ');
}

function vmColumns(event: DeviceEvent): (string | undefined | false)[] {
  const { errorCode, vmId, outcome, inferred } = event;
  const client = event.client ?? inferred?.client;
  const workload = client?.workload;
  const certainty = event.client ? '' : 'probably ';
  return [
    errnoName(errorCode).padEnd(6),
    // The kernel log does not name it.
    vmId !== 0 && `vm ${vmId}`,
    outcome,
    client ? `${certainty}pid ${client.process.pid} (${printable(client.process.executable)})` : 'unknown process',
    client && `client ${client.drmClientId}`,
    workload?.pod && printable(`${workload.namespace}/${workload.pod}/${workload.container}`),
  ];
}
