import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { LogRecordExporter, ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { CollectorExporter } from './collector-exporter.js';
import type { ExportHealth } from './export-health.js';
import type { OtlpLedger } from './ledger.js';

/**
 * Counts what becomes of every record: each batch is settled once, by the collector's answer, by the time-out or by the close, whichever
 * is first. The result of an export that was given up is not looked at any more, so that late answers cannot count twice.
 */
export class CountingExporter implements LogRecordExporter {
  readonly #collector: CollectorExporter;
  readonly #ledger: OtlpLedger;
  readonly #health: ExportHealth;
  readonly #timeoutMs: number;

  constructor(collector: CollectorExporter, ledger: OtlpLedger, health: ExportHealth, timeoutMs: number) {
    this.#collector = collector;
    this.#ledger = ledger;
    this.#health = health;
    this.#timeoutMs = timeoutMs;
  }

  export(records: ReadableLogRecord[], done: (result: ExportResult) => void): void {
    let settled = false;
    const settle = (result: ExportResult, rejected: number): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      this.#count(records.length, result, rejected);
      done(result);
    };
    const timer = setTimeout(() => {
      this.#collector.abort();
      settle(failure(new Error(`no answer within ${this.#timeoutMs} ms`)), 0);
    }, this.#timeoutMs).unref();
    try {
      this.#collector.delegate.export(records, (result) => settle(result, this.#collector.rejected.take()));
    } catch (error) {
      settle(failure(error), 0);
    }
  }

  forceFlush(): Promise<void> {
    return this.#collector.delegate.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#collector.delegate.shutdown();
  }

  #count(records: number, result: ExportResult, rejected: number): void {
    if (result.code !== ExportResultCode.SUCCESS) {
      if (this.#ledger.settle(0, records)) this.#health.failed(records, reasonOf(result.error));
      return;
    }
    const refused = Math.min(rejected, records);
    if (!this.#ledger.settle(records - refused, refused)) return;
    if (refused > 0) this.#health.failed(refused, `the collector refused ${refused} of ${records} log records`);
    else this.#health.worked();
  }
}

function failure(error: unknown): ExportResult {
  return { code: ExportResultCode.FAILED, error: error instanceof Error ? error : new Error(String(error)) };
}

/** HTTP status and system error code where there is one: an ECONNREFUSED on two addresses has no message of its own. */
function reasonOf(error: Error | undefined): string {
  if (!error) return 'unknown error';
  const { code } = error as { code?: unknown };
  const message = error.message.replace(/\s+/g, ' ').slice(0, 200);
  return (
    [typeof code === 'number' || typeof code === 'string' ? code : '', message].filter(Boolean).join(' ') || error.name
  );
}
