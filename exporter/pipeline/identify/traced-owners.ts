import { BoundedMap } from '../../bounded-map.js';
import type { DeviceEvent } from '../../events/device-event.js';
import { ATTRIBUTE } from '../../names.js';
import type { OwnershipBatch } from '../../sources/source.js';
import type { TracedObject } from '../../sources/trace/ownership.js';
import type { VmOwner } from '../../sources/trace/vm-kills.js';

/** A few for each client of a full table. */
const MAX_OBJECTS = 16_384;
/** How many owners of one object are remembered: a number is used again when its object is gone. */
const MAX_OWNERS = 4;
/** The clocks of the kernel log and of the trace differ by less, milliseconds. */
const CLOCK_SLACK_MS = 100;

interface Owned {
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly from: number;
  readonly owner: VmOwner | undefined;
}

/**
 * Whose exec queues and address spaces were when, as the driver's trace told it. It never guesses: where a number changed hands too
 * close to the fault, nobody is named, and once lines of the trace are missing all is forgotten.
 */
export class TracedOwners {
  readonly #owners = new BoundedMap<string, readonly Owned[]>(MAX_OBJECTS);

  observe({ ownership: { nanoseconds, object, owner }, device }: OwnershipBatch): void {
    if (device === undefined) return;
    const key = keyOf(device.pciBdf, object);
    const before = this.#owners.get(key) ?? [];
    this.#owners.set(key, [...before.slice(1 - MAX_OWNERS), { from: Number(nanoseconds) / 1e6, owner }]);
  }

  /** Lines of the trace are missing. */
  forget(): void {
    this.#owners.clear();
  }

  get remembered(): number {
    return this.#owners.size;
  }

  /** Whose the object was that a fault names; undefined when the fault names none, or that is not known for certain. */
  ownerOf(event: DeviceEvent): VmOwner | undefined {
    if (event.device === undefined) return undefined;
    const { pciBdf } = event.device;
    const at = Number(event.monotonicNs) / 1e6;
    const known = objectsOf(event).map((object) => ownerAt(this.#owners.get(keyOf(pciBdf, object)) ?? [], at));
    const [owner, ...others] = known.filter((one) => one !== undefined);
    return others.every((other) => other.pid === owner?.pid) ? owner : undefined;
  }
}

/** The first versions of xe do not say the GT: a device has two at most on each of two tiles. */
const GTS = [0, 1, 2, 3];

/** What the event names, in every GT where it does not name that. */
export function objectsOf({ details }: DeviceEvent): readonly TracedObject[] {
  const gucId = details?.[ATTRIBUTE.gucId];
  const asid = details?.[ATTRIBUTE.vmAsid];
  if (typeof asid === 'number') return [{ kind: 'address_space', asid }];
  if (typeof gucId !== 'number') return [];
  const gt = details?.[ATTRIBUTE.gtId];
  return (typeof gt === 'number' ? [gt] : GTS).map((number) => ({ kind: 'exec_queue', gt: number, gucId }));
}

function ownerAt(owners: readonly Owned[], at: number): VmOwner | undefined {
  const last = owners.findLast(({ from }) => from <= at - CLOCK_SLACK_MS);
  const around = owners.filter(({ from }) => Math.abs(from - at) < CLOCK_SLACK_MS);
  const [first, ...others] = last === undefined ? around : [last, ...around];
  return others.every(({ owner }) => owner?.pid === first?.owner?.pid) ? first?.owner : undefined;
}

function keyOf(pciBdf: string, object: TracedObject): string {
  return object.kind === 'exec_queue'
    ? `${pciBdf} gt ${object.gt} guc ${object.gucId}`
    : `${pciBdf} asid ${object.asid}`;
}
