import type { DropReason } from '../../names.js';
import { withDeadline } from '../../time/deadline.js';
import type { LogRecord } from '../../pipeline/log/log-record.js';
import { ExportHealth } from '../../otlp/export-health.js';
import type { SdkContext } from '../../otlp/sdk.js';
import { LOGS } from '../../otlp/signal.js';
import { OtlpLedger, type OtlpAccounting } from './ledger.js';
import type { Pipeline } from './log-pipeline.js';
import type { OtlpSettings } from './settings.js';
import type { Sink } from '../../pipeline/sink.js';

export interface OtelLogsOptions extends SdkContext {
  readonly settings: OtlpSettings;
  readonly accounting: OtlpAccounting;
}

/**
 * Sends events as OpenTelemetry log records over OTLP. Every record given to {@link accept} ends in exactly one of exported, failed and
 * dropped. A collector that is away, slow or hostile costs records, which are counted, and nothing else.
 */
export class OtelLogsSink implements Sink<LogRecord> {
  readonly name = 'otel_logs';
  readonly #options: OtelLogsOptions;
  readonly #ledger: OtlpLedger;
  readonly #health: ExportHealth;
  readonly #pipeline: Pipeline;
  #closing: Promise<void> | undefined;

  private constructor(options: OtelLogsOptions, ledger: OtlpLedger, health: ExportHealth, pipeline: Pipeline) {
    this.#options = options;
    this.#ledger = ledger;
    this.#health = health;
    this.#pipeline = pipeline;
  }

  /**
   * Loads the OpenTelemetry SDK (20 MiB, 0.2 s: only when OTLP is on) and starts it. No connection is made before the first record.
   * One sink a process at a time: the SDK's logger and provider are process-wide. @throws when the SDK refuses its settings
   */
  static async open(options: OtelLogsOptions): Promise<OtelLogsSink> {
    const { settings, accounting, log } = options;
    const { startPipeline } = await import('./log-pipeline.js');
    for (const warning of settings.warnings) log('warn', `OTLP: ${warning}`);
    const ledger = new OtlpLedger(settings.queueSize, accounting);
    const health = new ExportHealth(LOGS, settings.url, log);
    const pipeline = startPipeline(settings, options, ledger, health);
    return new OtelLogsSink(options, ledger, health, pipeline);
  }

  accept(record: LogRecord): DropReason | undefined {
    if (this.#closing) {
      this.#ledger.refuse();
      return 'closed';
    }
    if (!this.#ledger.take()) {
      this.#health.full(this.#options.settings.queueSize);
      return 'queue_full';
    }
    try {
      this.#pipeline.emit(record);
      return undefined;
    } catch (error) {
      this.#ledger.settle(0, 1);
      this.#options.log('error', `OTLP: event ${record.eventName} cannot be sent: ${String(error)}`);
      return 'error';
    }
  }

  /** Sends what is queued; what is not delivered after `deadlineMs` counts as failed. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    const flushed = this.#pipeline.flush().catch((error: unknown) => {
      this.#options.log('debug', `OTLP: shutdown: ${String(error)}`);
    });
    await withDeadline(deadlineMs, flushed);
    const lost = this.#ledger.seal();
    this.#pipeline.close();
    if (lost > 0) this.#options.log('warn', `OTLP: ${lost} log records were not delivered before the exporter stopped`);
  }
}
