import { METRIC } from '../names.js';
import { printableUrl } from './endpoint.js';
import type { Signal } from './signal.js';

/** Where the messages go: the exporter's logger, never the console. */
export type OtlpLog = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;

const QUIET_MS = 60_000;

/** Says once when export starts to fail, once when it works again, and at most once a minute when it flaps. Counts say the rest. */
export class ExportHealth {
  readonly #target: string;
  readonly #records: string;
  readonly #log: OtlpLog;
  readonly #now: () => number;
  #state: 'new' | 'working' | 'failing' = 'new';
  /** True while the failing state was announced, so that its end is announced too. */
  #announced = false;
  #lost = 0;
  #warnedAt = -Infinity;
  #fullAt = -Infinity;

  /** @param url of the collector; what may be secret in it is not printed  @param now a monotonic clock, milliseconds */
  constructor({ records }: Signal, url: string, log: OtlpLog, now: () => number = () => performance.now()) {
    this.#target = printableUrl(url);
    this.#records = records;
    this.#log = log;
    this.#now = now;
  }

  worked(): void {
    if (this.#state === 'new') this.#log('info', `OTLP: the first ${this.#records} were delivered to ${this.#target}`);
    if (this.#state === 'failing' && this.#announced) {
      this.#log(
        'info',
        `OTLP: export of ${this.#records} to ${this.#target} works again; ${this.#lost} ${this.#records} were lost`,
      );
      this.#announced = false;
      this.#lost = 0;
    }
    this.#state = 'working';
  }

  failed(records: number, reason: string): void {
    this.#lost += records;
    const news = this.#state !== 'failing';
    this.#state = 'failing';
    if (!news || this.#now() - this.#warnedAt < QUIET_MS) return;
    this.#warnedAt = this.#now();
    this.#announced = true;
    this.#log(
      'warn',
      `OTLP: export of ${this.#records} to ${this.#target} fails: ${reason}. Check the endpoint and the collector; ` +
        `lost ${this.#records} are counted in ${METRIC.otlpRecords}`,
    );
  }

  /** The collector answered, and took only a part. */
  refused(refused: number, records: number): void {
    this.failed(refused, `the collector refused ${refused} of ${records} ${this.#records}`);
  }

  full(capacity: number): void {
    if (this.#now() - this.#fullAt < QUIET_MS) return;
    this.#fullAt = this.#now();
    this.#log('warn', `OTLP: ${capacity} ${this.#records} wait for ${this.#target}, new ones are dropped and counted`);
  }
}
