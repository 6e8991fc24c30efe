import type { EventCounter } from '../events/device-event.js';
import { eventDefinitions } from '../events/index.js';
import { LABEL } from '../names.js';
import { CounterFamily, type Counter } from './engine/metric-families.js';
import type { ExpositionRegistry } from './engine/prom-client-adapter.js';

/** Every counter that an event definition declares, in the order of THE LIST. */
const COUNTERS: readonly EventCounter[] = eventDefinitions.flatMap(({ counter }) => counter ?? []);
const OF_DEVICE = COUNTERS.filter(({ ofNode }) => !ofNode);

/** How often something happened on a device. */
export interface EventCount {
  /** Name of the metric. */
  readonly metric: string;
  /** Value of the metric's own label; empty without one. */
  readonly labelValue: string;
  readonly count: number;
}

/** The counters that the event definitions declare, each series at 0 from the start or from the discovery of its device. */
export class EventCounters {
  readonly #families = new Map<EventCounter, CounterFamily>();

  constructor(registry: ExpositionRegistry) {
    for (const counter of COUNTERS) {
      const { name, help, ofNode, label } = counter;
      const labels = [...(ofNode ? [] : [LABEL.pciBdf]), ...(label ? [label.name] : [])];
      this.#families.set(counter, registry.register(new CounterFamily({ name, help, labels })));
    }
  }

  /** Creates every series of a device at 0; one that exists keeps its count. */
  deviceDiscovered(pciBdf: string): void {
    for (const counter of OF_DEVICE) for (const value of valuesOf(counter)) this.of(counter, pciBdf, value);
  }

  /**
   * The series that an event moves, born at 0.
   *
   * @param pciBdf the device; ignored by a counter of the node
   * @param labelValue value of the label beyond the device, for a counter that has one
   * @throws RangeError for the counter of an event that is not in the list
   */
  of(counter: EventCounter, pciBdf: string, labelValue = ''): Counter {
    const family = this.#families.get(counter);
    if (family === undefined) throw new RangeError(`${counter.name} is not the counter of an event in the list`);
    return family.cell(...(counter.ofNode ? [] : [pciBdf]), ...(counter.label ? [labelValue] : []));
  }

  /** Every count of a device that was discovered. */
  all(pciBdf: string): EventCount[] {
    return OF_DEVICE.flatMap((counter) =>
      valuesOf(counter).map((labelValue) => ({
        metric: counter.name,
        labelValue,
        count: this.of(counter, pciBdf, labelValue).value,
      })),
    );
  }
}

function valuesOf({ label }: EventCounter): readonly string[] {
  return label?.values ?? [''];
}
