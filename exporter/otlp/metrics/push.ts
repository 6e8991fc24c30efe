import { metrics } from '@opentelemetry/api';
import type { ExportResult } from '@opentelemetry/core';
import { PeriodicExportingMetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { ExpositionRegistry } from '../../metrics/engine/prom-client-adapter.js';
import { withDeadline } from '../../time/deadline.js';
import { createCollectorExporter, type CollectorExporter } from '../collector-exporter.js';
import { CountingExporter } from '../counting-exporter.js';
import { DeliveryBook, type DeliveryAccounting } from '../delivery-book.js';
import { routeDiagnostics } from '../diagnostics.js';
import { ExportHealth } from '../export-health.js';
import { startSdk, type SdkContext } from '../sdk.js';
import { METRICS } from '../signal.js';
import { METRIC_ENCODING, pointsOf } from './encoding.js';
import { RegistryProducer } from './producer.js';
import type { PushSettings } from './settings.js';

export interface MetricPushOptions extends SdkContext {
  readonly settings: PushSettings;
  readonly registry: ExpositionRegistry;
  readonly accounting: DeliveryAccounting;
}

/**
 * Data points of one request. With the attributes of a container each takes some 300 bytes, and a gRPC receiver refuses requests above
 * 4 MiB unless told otherwise.
 */
const MAX_POINTS = 4096;

/**
 * Pushes everything that /metrics shows over OTLP, once each interval, and the counts once more at the end. Every data point of a push ends in exactly
 * one of exported and failed. Nothing is queued: what a push could not deliver, the next one replaces.
 */
export class MetricPush {
  readonly #producer: RegistryProducer;
  readonly #book: DeliveryBook;
  readonly #collector: CollectorExporter<ResourceMetrics>;
  readonly #shutdown: () => Promise<void>;
  readonly #log: SdkContext['log'];
  #closing: Promise<void> | undefined;

  /** Starts pushing; the first push is one interval away. This module and all it imports is loaded only when metrics are pushed. */
  constructor(options: MetricPushOptions) {
    const { settings, service, registry, accounting, log } = options;
    for (const warning of settings.warnings) log('warn', `OTLP: ${warning}`);
    this.#log = log;
    this.#producer = new RegistryProducer(registry, { name: service.name, version: service.version });
    this.#book = new DeliveryBook(accounting);
    routeDiagnostics(options);
    this.#collector = createCollectorExporter(METRIC_ENCODING, settings);
    const health = new ExportHealth(METRICS, settings.url, log);
    const reader = new PeriodicExportingMetricReader({
      exporter: new PointExporter(this.#collector, this.#book, health, settings.exportTimeoutMs),
      exportIntervalMillis: settings.intervalMs,
      // Ours comes first and settles the push: this one only has to end if ours does not.
      exportTimeoutMillis: settings.intervalMs,
      maxExportBatchSize: MAX_POINTS,
      metricProducers: [this.#producer],
    });
    metrics.disable();
    const sdk = startSdk(options, { metricReaders: [reader] });
    this.#shutdown = () => sdk.shutdown();
  }

  /** Pushes the counts once more; what is not delivered after `deadlineMs` counts as failed. A second call is the first. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#producer.countsOnly();
    const pushed = this.#shutdown().catch((error: unknown) => this.#log('debug', `OTLP: shutdown: ${String(error)}`));
    await withDeadline(deadlineMs, pushed);
    const lost = this.#book.seal();
    this.#collector.close();
    metrics.disable();
    if (lost > 0) this.#log('warn', `OTLP: ${lost} data points were not delivered before the exporter stopped`);
  }
}

/** Enters each request in the book before it leaves. */
class PointExporter extends CountingExporter<ResourceMetrics> {
  readonly #book: DeliveryBook;

  constructor(
    collector: CollectorExporter<ResourceMetrics>,
    book: DeliveryBook,
    health: ExportHealth,
    timeoutMs: number,
  ) {
    const settle = (exported: number, failed: number): boolean => book.settle(exported, failed);
    super(collector, { sizeOf: pointsOf, settle, health }, timeoutMs);
    this.#book = book;
  }

  override export(request: ResourceMetrics, done: (result: ExportResult) => void): void {
    this.#book.take(pointsOf(request));
    super.export(request, done);
  }
}
