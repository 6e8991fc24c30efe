import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import { MetricPush } from '../../exporter/otlp/metrics/push.js';
import { pushSettings } from '../../exporter/otlp/metrics/settings.js';
import { withOtelVariables } from './otel-environment.js';

export interface OpenedPush {
  readonly push: MetricPush;
  /** What is pushed. */
  readonly metrics: ExporterMetrics;
  /** What the accounting was told so far. */
  readonly counts: { exported: number; failed: number };
  readonly lines: { readonly level: string; readonly message: string }[];
}

/** Pushes the metrics of a fresh registry, with these OTEL_* variables and no other. */
export function openMetricPush(endpoint: string, env: Readonly<Record<string, string>> = {}): Promise<OpenedPush> {
  const counts = { exported: 0, failed: 0 };
  const lines: { level: string; message: string }[] = [];
  const metrics = new ExporterMetrics({
    sources: ['watch_queue'],
    version: '1.2.3',
    revision: 'abc',
    nodeVersion: '20',
    processMetrics: false,
  });
  return withOtelVariables(env, () => {
    const push = new MetricPush({
      settings: pushSettings(process.env, endpoint),
      service: { name: 'xe-exporter', version: '1.2.3', instanceId: 'node-a-42', hostName: 'node-a', hostId: 'abc123' },
      env: process.env,
      registry: metrics.registry,
      accounting: {
        exported: (points) => (counts.exported += points),
        failed: (points) => (counts.failed += points),
      },
      log: (level, message) => lines.push({ level, message }),
    });
    return { push, metrics, counts, lines };
  });
}
