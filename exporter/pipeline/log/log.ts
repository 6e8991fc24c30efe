import type { DeviceEvent } from '../../events/device-event.js';
import { FanOut, type FanOutAccounting } from '../fan-out.js';
import type { Sinks } from '../sink.js';
import { toLogRecord, type LogRecord, type LogRecordOptions } from './log-record.js';
import { LogRateLimit } from './rate-limit.js';

export interface LogOptions extends LogRecordOptions {
  /** Log events a minute for each client and event name; 0 lets everything through. */
  readonly perMinute: number;
  readonly now: () => number;
}

/**
 * The end of the flow: hands each logged event to the event sinks, and, within the rate, its record to the log sinks. The
 * record is made once, however many sinks take it.
 */
export class Log {
  readonly #events: FanOut<DeviceEvent>;
  readonly #records: FanOut<LogRecord>;
  readonly #options: LogOptions;
  readonly #limit: LogRateLimit | undefined;

  constructor({ events = [], logs = [] }: Sinks, accounting: FanOutAccounting, options: LogOptions) {
    this.#events = new FanOut(events, accounting);
    this.#records = new FanOut(logs, accounting);
    this.#options = options;
    this.#limit = options.perMinute > 0 ? new LogRateLimit(this.#record, options) : undefined;
  }

  readonly accept = (event: DeviceEvent): void => {
    if (!event.definition.logged) return;
    this.#events.publish(event);
    if (!this.#records.hasSinks) return;
    if (this.#limit === undefined) this.#record(event, 0);
    else if (!this.#limit.pass(event)) this.#records.withhold('rate_limited');
  };

  async close(deadlineMs: number): Promise<void> {
    await Promise.all([this.#events.close(deadlineMs), this.#records.close(deadlineMs)]);
  }

  readonly #record = (event: DeviceEvent, suppressed: number): boolean => {
    let record: LogRecord;
    try {
      record = toLogRecord(event, this.#options, suppressed);
    } catch {
      this.#records.withhold('error');
      return false;
    }
    return this.#records.publish(record);
  };
}
