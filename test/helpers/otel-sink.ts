import { OtelLogsSink } from '../../exporter/sinks/otlp/sink.js';
import { otlpSettings, type OtlpOptions } from '../../exporter/sinks/otlp/settings.js';
import { withOtelVariables } from './otel-environment.js';

export interface OpenedSink {
  readonly sink: OtelLogsSink;
  /** What the accounting was told so far; `peak` is the longest the queue has been. */
  readonly counts: {
    exported: number;
    failed: number;
    dropped: number;
    length: number;
    capacity: number;
    peak: number;
  };
  readonly lines: { readonly level: string; readonly message: string }[];
}

/**
 * Opens the OTLP sink with these OTEL_* variables and no other. Batches leave after 5 ms; a request gets 400 ms, too short for the
 * SDK's first retry unless the collector asks for one at once.
 */
export function openOtelSink(options: OtlpOptions, env: Readonly<Record<string, string>> = {}): Promise<OpenedSink> {
  const counts = { exported: 0, failed: 0, dropped: 0, length: 0, capacity: 0, peak: 0 };
  const lines: { level: string; message: string }[] = [];
  const variables = { OTEL_BLRP_SCHEDULE_DELAY: '5', OTEL_EXPORTER_OTLP_TIMEOUT: '400', ...env };
  return withOtelVariables(variables, async () => {
    const sink = await OtelLogsSink.open({
      settings: otlpSettings(process.env, options),
      service: { name: 'xe-exporter', version: '1.2.3', instanceId: 'node-a-42', hostName: 'node-a', hostId: 'abc123' },
      env: process.env,
      accounting: {
        exported: (records) => (counts.exported += records),
        failed: (records) => (counts.failed += records),
        dropped: (records) => (counts.dropped += records),
        queue: (length, capacity) => Object.assign(counts, { length, capacity, peak: Math.max(counts.peak, length) }),
      },
      log: (level, message) => lines.push({ level, message }),
    });
    return { sink, counts, lines };
  });
}
