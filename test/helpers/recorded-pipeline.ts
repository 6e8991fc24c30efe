import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import type { SourceName } from '../../exporter/names.js';
import type { LogRecord } from '../../exporter/pipeline/log/log-record.js';
import { Pipeline, type PipelineOptions } from '../../exporter/pipeline/pipeline.js';
import type { Sink } from '../../exporter/pipeline/sink.js';
import { PrometheusSink } from '../../exporter/sinks/prometheus.js';

/** A pipeline with its metrics, and the log records that come out of it. */
export function recordedPipeline(sources: readonly SourceName[], options: Partial<PipelineOptions> = {}) {
  const metrics = new ExporterMetrics({
    sources,
    sinks: ['prometheus'],
    version: '1',
    revision: '',
    nodeVersion: '20',
    processMetrics: false,
  });
  const records: LogRecord[] = [];
  const log: Sink<LogRecord> = {
    name: 'stdout',
    accept: (record) => void records.push(record),
    close: async () => undefined,
  };
  const prometheus = new PrometheusSink(metrics);
  const sinks = { counting: [prometheus], logs: [log] };
  const pipeline = new Pipeline(metrics, sinks, { instanceId: 'i', includeProcess: true, ...options });
  return { metrics, prometheus, pipeline, records };
}
