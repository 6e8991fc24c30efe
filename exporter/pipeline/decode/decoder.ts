import { eventOf, type DeviceEvent, type EventDefinition } from '../../events/device-event.js';
import { deviceCoredumpCopy } from '../../events/definitions/device-coredump-copy.js';
import { eventsLost } from '../../events/definitions/events-lost.js';
import type { CoredumpCopyBatch, LossBatch, StampedBatch } from '../../sources/source.js';
import type { DecodeAccounting } from './accounting.js';
import { KernelLogDecoder } from './kernel-log-decoder.js';
import { TraceDecoder } from './trace-decoder.js';
import { UeventDecoder } from './uevent-decoder.js';
import { WatchDecoder } from './watch-decoder.js';

/** Batches of every kind to events, numbered in the order in which they were read. Never throws. Not reentrant. */
export class Decoder {
  readonly #accounting: DecodeAccounting;
  readonly #watch: WatchDecoder;
  readonly #kernelLog: KernelLogDecoder;
  readonly #uevent: UeventDecoder;
  readonly #trace: TraceDecoder;
  #sequence = 0;

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting) {
    const next = this.nextSequence;
    this.#accounting = accounting;
    this.#watch = new WatchDecoder(definitions, accounting, next);
    this.#kernelLog = new KernelLogDecoder(definitions, accounting, next);
    this.#uevent = new UeventDecoder(definitions, accounting, next);
    this.#trace = new TraceDecoder(definitions, accounting, next);
  }

  /** The number of the next event, for one that no batch brings. */
  readonly nextSequence = (): number => ++this.#sequence;

  /** Decodes one batch and delivers its events in the order they happened. `deliver` must not throw. */
  decode(batch: StampedBatch, deliver: (event: DeviceEvent) => void): void {
    switch (batch.kind) {
      case 'watch_queue':
        return this.#watch.decode(batch, deliver);
      case 'kernel_log':
        return this.#kernelLog.decode(batch, deliver);
      case 'uevent':
        return this.#uevent.decode(batch, deliver);
      case 'trace':
        return this.#trace.decode(batch, deliver);
      case 'ownership':
      case 'history':
        return;
      case 'coredump_copy':
        return this.#copied(batch, deliver);
      case 'loss':
        return this.#lost(batch, deliver);
    }
  }

  #copied({ kind: _kind, ...batch }: CoredumpCopyBatch, deliver: (event: DeviceEvent) => void): void {
    deliver(eventOf({ definition: deviceCoredumpCopy, sequence: this.nextSequence(), ...batch }));
  }

  #lost({ source, messages, realtimeNs, monotonicNs }: LossBatch, deliver: (event: DeviceEvent) => void): void {
    if (source === 'kmsg') this.#kernelLog.lost();
    this.#accounting.received(source, eventsLost.name, 1);
    const sequence = this.nextSequence();
    deliver(eventOf({ definition: eventsLost, source, sequence, realtimeNs, monotonicNs, lostMessages: messages }));
  }
}
