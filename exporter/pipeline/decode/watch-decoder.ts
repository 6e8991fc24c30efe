import type { DeviceEvent, EventDefinition, WireKey } from '../../events/device-event.js';
import type { WatchBatch } from '../../sources/source.js';
import type { SourceName } from '../../names.js';
import { forEachRecord } from '../../wire/watch-notification.js';
import type { DecodeAccounting, NextSequence } from './accounting.js';

/** A definition and how often the batch at hand had it. */
interface Entry {
  readonly definition: EventDefinition;
  readonly wire: WireKey;
  inBatch: number;
}

/** Subtypes are 8 bits wide. */
const SUBTYPES = 256;

/**
 * Records of the watch queue to events. Any bytes decode without throwing; unknown types and subtypes are normal input from a newer kernel, are
 * counted and skipped by their length. Not reentrant.
 */
export class WatchDecoder {
  readonly #entries: readonly Entry[];
  /** entries[type][subtype], so that the hot path allocates no key. */
  readonly #byKey: (Entry | undefined)[][] = [];
  readonly #accounting: DecodeAccounting;
  readonly #next: NextSequence;

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting, next: NextSequence) {
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
    this.#next = next;
  }

  /** Decodes one batch and delivers its events in the order they were posted. `deliver` must not throw. */
  decode(batch: WatchBatch, deliver: (event: DeviceEvent) => void): void {
    const { source, view, realtimeNs, monotonicNs, owners } = batch;
    let unknown = 0;
    let malformed = 0;
    const whole = forEachRecord(view, batch.start, batch.end, (type, subtype, watchId, offset, length) => {
      const entry = this.#byKey[type]?.[subtype];
      if (entry === undefined) return void unknown++;
      const { definition, wire } = entry;
      const { minLength, vmIdOffset, errorCodeOffset } = wire;
      if (length < minLength) return void malformed++;
      entry.inBatch++;
      const client = definition.ofClient ? owners[watchId] : undefined;
      deliver({
        definition,
        source,
        report: 'full',
        sequence: this.#next(),
        realtimeNs,
        monotonicNs,
        client,
        device: client?.device,
        vmId: vmIdOffset === undefined ? 0 : view.getUint32(offset + vmIdOffset, true),
        errorCode: errorCodeOffset === undefined ? 0 : view.getInt32(offset + errorCodeOffset, true),
        lostMessages: 0,
        said: undefined,
        causeId: undefined,
        repeats: 0,
        outcome: undefined,
        details: undefined,
        inferred: undefined,
        memory: undefined,
        phase: 'whole',
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
