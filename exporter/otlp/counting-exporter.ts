import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { CollectorExporter } from './collector-exporter.js';
import type { ExportHealth } from './export-health.js';

/** Where the outcome of each export goes. */
export interface ExportAccounting<Request> {
  /** Records in a request. */
  readonly sizeOf: (request: Request) => number;
  /** Takes what became of a request's records. @returns false when they have been counted otherwise in the meantime */
  readonly settle: (exported: number, failed: number) => boolean;
  readonly health: ExportHealth;
}

/**
 * Counts what becomes of every record: each batch is settled once, by the collector's answer, by the time-out or by the close, whichever
 * is first. The result of an export that was given up is not looked at any more, so that late answers cannot count twice.
 */
export class CountingExporter<Request> {
  readonly #collector: CollectorExporter<Request>;
  readonly #accounting: ExportAccounting<Request>;
  readonly #timeoutMs: number;

  constructor(collector: CollectorExporter<Request>, accounting: ExportAccounting<Request>, timeoutMs: number) {
    this.#collector = collector;
    this.#accounting = accounting;
    this.#timeoutMs = timeoutMs;
  }

  export(request: Request, done: (result: ExportResult) => void): void {
    let settled = false;
    const settle = (result: ExportResult, rejected: number): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      this.#count(this.#accounting.sizeOf(request), result, rejected);
      done(result);
    };
    const timer = setTimeout(() => {
      this.#collector.abort();
      settle(failure(new Error(`no answer within ${this.#timeoutMs} ms`)), 0);
    }, this.#timeoutMs).unref();
    try {
      this.#collector.delegate.export(request, (result) => settle(result, this.#collector.takeRejected()));
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
    const { settle, health } = this.#accounting;
    if (result.code !== ExportResultCode.SUCCESS) {
      if (settle(0, records)) health.failed(records, reasonOf(result.error));
      return;
    }
    const refused = Math.min(rejected, records);
    if (!settle(records - refused, refused)) return;
    if (refused > 0) health.refused(refused, records);
    else health.worked();
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
