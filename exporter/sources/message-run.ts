import { errnoName } from '../wire/errno.js';
import type { MessageOrigin, NativeAddon, NativeFailure, NativeMessageReader } from '../native/binding.js';
import type { SourceName } from '../names.js';
import { forEachFrame } from './batch-frames.js';
import type { BatchHandler, SourceAccounting } from './source.js';
import type { SourceRun } from './supervised-source.js';

/** When a message was read: CLOCK_REALTIME and CLOCK_MONOTONIC, nanoseconds. */
export interface ReadTime {
  readonly realtimeNs: bigint;
  readonly monotonicNs: bigint;
}

/** The time of what JavaScript notices itself. */
export function now(): ReadTime {
  return { realtimeNs: BigInt(Date.now()) * 1_000_000n, monotonicNs: process.hrtime.bigint() };
}

export interface MessageRunOptions {
  readonly source: SourceName;
  readonly native: Pick<NativeAddon, 'MessageReader' | 'minDrainBytes'>;
  readonly origin: MessageOrigin;
  /** See MessageReaderOptions. */
  readonly keep: readonly string[];
  readonly queueBytes: number;
  /** Takes one message; the bytes are valid only during the call. */
  readonly onMessage: (bytes: Buffer, time: ReadTime) => void;
  /** Takes the losses. */
  readonly handler: BatchHandler;
  readonly accounting: Pick<SourceAccounting, 'dropped' | 'queuePeak'>;
  /** Called once when the device failed, after everything that was read before. */
  readonly onDied: (reason: string) => void;
}

/** One native message reader from opening to end: delivers messages and losses, counts drops, reports its death. */
export class MessageRun implements SourceRun {
  readonly #options: MessageRunOptions;
  readonly #reader: NativeMessageReader;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  #nextTurn: NodeJS.Immediate | undefined;
  #missing = 0;
  #dropped = 0;
  #queuePeak = 0;
  #ended = false;

  private constructor(options: MessageRunOptions) {
    const { native, origin, keep, queueBytes } = options;
    this.#options = options;
    this.#buffer = Buffer.alloc(native.minDrainBytes);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
    this.#reader = new native.MessageReader({
      ...origin,
      backend: 'linux',
      keep,
      queueBytes,
      onReady: () => this.#drain(),
    });
  }

  /** @returns the run, or why the device cannot be read */
  static open(options: MessageRunOptions): MessageRun | NativeFailure {
    const run = new MessageRun(options);
    const failure = run.#reader.open();
    if (failure === undefined) return run;
    run.#reader.close();
    return failure;
  }

  stop(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  /** One turn of the event loop delivers one buffer, so that a flood leaves room for scrapes, timers and signals. */
  #drain(): void {
    clearImmediate(this.#nextTurn);
    if (this.#deliverSome()) {
      this.#nextTurn = setImmediate(() => this.#drain());
      return;
    }
    // Read after the drain that found nothing more: what comes later calls again.
    const { failure } = this.#reader.stats();
    if (failure === undefined || this.#ended) return;
    this.#end();
    this.#options.onDied(`${failure.operation} failed with ${errnoName(failure.errno)}`);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.close();
    clearImmediate(this.#nextTurn);
    while (this.#deliverSome());
  }

  /** @returns whether there may be more */
  #deliverSome(): boolean {
    const length = this.#reader.drain(this.#buffer);
    forEachFrame(this.#view, length, (_pipe, start, end, realtimeNs, monotonicNs) => {
      this.#options.onMessage(this.#buffer.subarray(start, end), { realtimeNs, monotonicNs });
    });
    this.#count();
    return length > 0;
  }

  #count(): void {
    const { source, handler, accounting } = this.#options;
    const { missing, dropped, queuedBytesPeak } = this.#reader.stats();
    if (missing > this.#missing) handler({ kind: 'loss', source, ...now(), messages: missing - this.#missing });
    if (dropped > this.#dropped) accounting.dropped(source, dropped - this.#dropped);
    if (queuedBytesPeak > this.#queuePeak) accounting.queuePeak(source, queuedBytesPeak);
    this.#missing = missing;
    this.#dropped = dropped;
    this.#queuePeak = queuedBytesPeak;
  }
}
