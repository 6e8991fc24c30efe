import { eventOf, type DeviceEvent, type EventDefinition } from '../../events/device-event.js';
import type { TraceBatch } from '../../sources/source.js';
import type { DecodeAccounting, NextSequence } from './accounting.js';
import { ownerDetails } from './traced-owner.js';

/** VMs that died, as the trace tells it, to events. */
export class TraceDecoder {
  readonly #definitions: readonly EventDefinition[];
  readonly #accounting: DecodeAccounting;
  readonly #next: NextSequence;

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting, next: NextSequence) {
    this.#definitions = definitions.filter(({ trace }) => trace !== undefined);
    this.#accounting = accounting;
    this.#next = next;
  }

  decode({ source, kill, device, realtimeNs, monotonicNs }: TraceBatch, deliver: (event: DeviceEvent) => void): void {
    if (kill === undefined) return this.#accounting.dropped('malformed', 1);
    const definition = this.#definitions.find(({ trace }) => trace === (kill.rebind ? 'rebind' : 'other'));
    if (definition === undefined) return this.#accounting.dropped('unknown_type', 1);
    this.#accounting.received(source, definition.name, 1);
    const details = kill.owner && ownerDetails(kill.owner);
    deliver(
      eventOf({
        definition,
        source,
        report: 'victim',
        sequence: this.#next(),
        realtimeNs,
        monotonicNs,
        device,
        details,
      }),
    );
  }
}
