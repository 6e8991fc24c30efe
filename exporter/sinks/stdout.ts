import type { Writable } from 'node:stream';
import type { DropReason } from '../names.js';
import { withDeadline } from '../time/deadline.js';
import { jsonLine } from './json-line.js';
import type { LogRecord } from '../pipeline/log/log-record.js';
import type { Sink } from '../pipeline/sink.js';
import type { SinkEntry } from './entry.js';

/** Log events as JSON lines, with --events-stdout. */
export const stdout: SinkEntry = {
  name: 'stdout',
  wanted: ({ config }) => ({ wanted: config.eventsStdout, reason: '' }),
  open({ stdout: stream, metrics }) {
    const lost = metrics.eventsDropped.cell('sink', 'stdout', 'error');
    return { logs: [new StdoutSink(stream as Writable, { lost: () => lost.inc() })] };
  },
};

const DEFAULT_BACKLOG_BYTES = 1024 * 1024;

export interface StdoutSinkOptions {
  /** A line that was taken could not be written: the reader has gone. */
  readonly lost: () => void;
  /** When this much waits in the stream, new events are dropped; the last one may exceed it. */
  readonly maxBacklogBytes?: number;
}

/** Writes the same records as the OTLP sink, one JSON object a line, for log pipelines without OTLP. */
export class StdoutSink implements Sink<LogRecord> {
  readonly name = 'stdout';
  readonly #stream: Writable;
  readonly #maxBacklogBytes: number;
  readonly #written: (error?: Error | null) => void;
  #gone = false;
  #closing: Promise<void> | undefined;

  constructor(stream: Writable, { lost, maxBacklogBytes = DEFAULT_BACKLOG_BYTES }: StdoutSinkOptions) {
    this.#stream = stream;
    this.#written = (error) => {
      if (error) lost();
    };
    this.#maxBacklogBytes = maxBacklogBytes;
    // Stays for good: an EPIPE may come after the close, and without a listener it would end the process.
    stream.on('error', () => (this.#gone = true));
    stream.on('close', () => (this.#gone = true));
  }

  accept(record: LogRecord): DropReason | undefined {
    if (this.#closing || this.#gone || !this.#stream.writable) return 'closed';
    if (this.#stream.writableLength >= this.#maxBacklogBytes) return 'queue_full';
    this.#stream.write(`${jsonLine(record)}\n`, this.#written);
    return undefined;
  }

  /** Waits until the stream has taken everything, at most `deadlineMs`. Leaves the stream open: it is not ours. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= withDeadline(deadlineMs, this.#drained()).then(() => undefined);
    return this.#closing;
  }

  #drained(): Promise<void> {
    const stream = this.#stream;
    if (this.#gone || !stream.writable || stream.writableLength === 0) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once('close', resolve);
      stream.write('', () => resolve());
    });
  }
}
