import type { DeviceEvent } from '../events/device-event.js';
import { Alarm } from '../time/alarm.js';
import { TokenBucket } from '../time/token-bucket.js';

/** So many equal reports pass one by one, and one more in each interval. */
const RATE = { burst: 5, intervalMs: 10_000 };
/** Reports told apart at a time; one more than that passes one by one. */
const MAX_REPORTS = 256;

export interface StormsOptions {
  /** Takes each event; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly now: () => number;
}

/** What one line of the kernel log says again and again. */
interface Report {
  readonly tokens: TokenBucket;
  /** The newest that was held back, and how many there are. */
  newest: DeviceEvent | undefined;
  held: number;
}

/**
 * Makes few events of a storm: a GPU that hangs for good repeats one line of the kernel log thousands of times a second. The first reports
 * pass whole. Of the rest each moves its counter at once, and in each interval one event stands for all that were held back; 1 +
 * `repeats`, summed over the events, is the number of reports. Only equal lines are held back, so that no storm hides what is said for the
 * first time, of this device or of another. What hits a client is not held back: each is somebody's own.
 */
export class Storms {
  readonly #options: StormsOptions;
  readonly #alarm: Alarm;
  readonly #reports = new Map<string, Report>();

  constructor(options: StormsOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.now, () => this.#sweep());
  }

  /** How many reports are told apart. */
  get remembered(): number {
    return this.#reports.size;
  }

  readonly accept = (event: DeviceEvent): void => {
    const report = this.#reportOf(event);
    if (report === undefined) return this.#options.next(event);
    const now = this.#options.now();
    if (report.tokens.take(now)) return this.#pass(report, event);
    report.newest = event;
    report.held++;
    this.#alarm.setFor(report.tokens.nextAt);
    this.#options.next({ ...event, phase: 'opened' });
  };

  /** Publishes what was held back; from then on every report passes. */
  close(): void {
    this.#alarm.clear();
    for (const report of this.#reports.values()) this.#sumUp(report);
    this.#reports.clear();
  }

  /** undefined for what is never held back. */
  #reportOf({ said, phase, definition: { logged, ofClient, merging } }: DeviceEvent): Report | undefined {
    if (said === undefined || phase !== 'whole' || !logged || ofClient || merging !== undefined) return undefined;
    const known = this.#reports.get(said);
    if (known !== undefined || this.#reports.size >= MAX_REPORTS) return known;
    const report = { tokens: new TokenBucket(RATE), newest: undefined, held: 0 };
    this.#reports.set(said, report);
    this.#alarm.setFor(this.#options.now() + RATE.intervalMs);
    return report;
  }

  /** The event loop may come to a report of a storm before it comes to the alarm. */
  #pass(report: Report, event: DeviceEvent): void {
    const repeats = report.held;
    report.newest = undefined;
    report.held = 0;
    this.#options.next(repeats === 0 ? event : { ...event, repeats });
  }

  #sumUp(report: Report): void {
    const { newest, held } = report;
    if (newest === undefined) return;
    report.newest = undefined;
    report.held = 0;
    this.#options.next({ ...newest, phase: 'concluded', repeats: held - 1 });
  }

  #sweep(): void {
    const now = this.#options.now();
    for (const [said, report] of this.#reports) {
      if (report.newest !== undefined && report.tokens.take(now)) this.#sumUp(report);
      if (report.newest === undefined && report.tokens.fullAt <= now) this.#reports.delete(said);
      else this.#alarm.setFor(report.newest === undefined ? report.tokens.fullAt : report.tokens.nextAt);
    }
  }
}
