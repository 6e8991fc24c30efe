import type { DeviceEvent, EventDefinition, WireKey } from '../events/device-event.js';
import type { StampedBatch } from '../sources/source.js';
import type { DropReason, SourceName } from '../telemetry/names.js';
import { forEachRecord } from '../wire/watch-notification.js';

/** What decoding counts, once a batch. Every record read ends in exactly one of these numbers. */
export interface DecodeAccounting {
  received(source: SourceName, event: string, count: number): void;
  dropped(reason: Extract<DropReason, 'malformed' | 'unknown_type'>, count: number): void;
}

/** A definition and how often the batch at hand had it. */
interface Entry {
  readonly definition: EventDefinition;
  readonly wire: WireKey;
  inBatch: number;
}

/** Subtypes are 8 bits wide. */
const SUBTYPES = 256;

/**
 * Bytes to events. Any bytes decode without throwing; unknown types and subtypes are normal input from a newer kernel, are
 * counted and skipped by their length. JavaScript thread only, not reentrant.
 */
export class Decoder {
  readonly #entries: readonly Entry[];
  /** entries[type][subtype], so that the hot path allocates no key. */
  readonly #byKey: (Entry | undefined)[][] = [];
  readonly #accounting: DecodeAccounting;
  #sequence = 0;

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting) {
    this.#entries = definitions.flatMap((definition) => {
      const { wire } = definition;
      return wire ? [{ definition, wire, inBatch: 0 }] : [];
    });
    for (const entry of this.#entries) {
      const { type, subtype } = entry.wire;
      const bySubtype = (this.#byKey[type] ??= new Array<Entry | undefined>(SUBTYPES).fill(undefined));
      bySubtype[subtype] = entry;
    }
    this.#accounting = accounting;
  }

  /** Decodes one batch and delivers its events in the order they were posted. `deliver` must not throw. */
  decode(batch: StampedBatch, deliver: (event: DeviceEvent) => void): void {
    const { source, view, realtimeNs, monotonicNs, owners } = batch;
    let unknown = 0;
    let malformed = 0;
    const whole = forEachRecord(view, batch.start, batch.end, (type, subtype, watchId, offset, length) => {
      const entry = this.#byKey[type]?.[subtype];
      if (entry === undefined) return void unknown++;
      const { definition, wire } = entry;
      const { minLength, subjectOffset, codeOffset } = wire;
      if (length < minLength) return void malformed++;
      entry.inBatch++;
      const client = definition.ofClient ? owners[watchId] : undefined;
      deliver({
        definition,
        source,
        sequence: ++this.#sequence,
        realtimeNs,
        monotonicNs,
        client,
        device: client?.device,
        subject: subjectOffset === undefined ? 0 : view.getUint32(offset + subjectOffset, true),
        code: codeOffset === undefined ? 0 : view.getInt32(offset + codeOffset, true),
        outcome: undefined,
      });
    });
    if (!whole) malformed++;
    this.#account(source, unknown, malformed);
  }

  #account(source: SourceName, unknown: number, malformed: number): void {
    if (unknown > 0) this.#accounting.dropped('unknown_type', unknown);
    if (malformed > 0) this.#accounting.dropped('malformed', malformed);
    for (const entry of this.#entries) {
      if (entry.inBatch > 0) this.#accounting.received(source, entry.definition.name, entry.inBatch);
      entry.inBatch = 0;
    }
  }
}
