import { eventOf, type DeviceEvent, type EventDefinition } from '../../events/device-event.js';
import type { UeventBatch } from '../../sources/source.js';
import type { DecodeAccounting, NextSequence } from './accounting.js';

/** Uevents of xe devices to events; every other uevent is nobody's, and what user space had repeated is none. */
export class UeventDecoder {
  readonly #definitions: readonly EventDefinition[];
  readonly #accounting: DecodeAccounting;
  readonly #next: NextSequence;

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting, next: NextSequence) {
    this.#definitions = definitions.filter(({ uevent }) => uevent !== undefined);
    this.#accounting = accounting;
    this.#next = next;
  }

  decode(batch: UeventBatch, deliver: (event: DeviceEvent) => void): void {
    const { source, uevent, device, realtimeNs, monotonicNs } = batch;
    if (uevent === undefined) return this.#accounting.dropped('malformed', 1);
    // Of another driver's device, or nothing has happened.
    if (device === undefined || uevent.synthetic) return;
    for (const definition of this.#definitions) {
      const facts = definition.uevent?.read(uevent);
      if (facts === undefined) continue;
      this.#accounting.received(source, definition.name, 1);
      const details = { ...facts.details, ...batch.details };
      const sequence = this.#next();
      return deliver(eventOf({ ...facts, definition, source, sequence, realtimeNs, monotonicNs, device, details }));
    }
  }
}
