import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { codedError } from '../../errors.js';
import type { SinkContext, SinkEntry } from '../entry.js';
import { checkCertificates } from './certificates.js';
import { otlpSettings } from './settings.js';
import { OtelLogsSink } from './sink.js';
import { otlpWanted } from './wanted.js';

const SIGNAL = 'logs';

/** Log events over OTLP, for an endpoint or OTEL_LOGS_EXPORTER=otlp. */
export const otelLogs: SinkEntry = {
  name: 'otel_logs',
  feature: 'otlp',
  wanted: ({ config, env }) => otlpWanted(env, config.otlpEndpoint ?? ''),
  async open(context, reason) {
    const sink = await openSink(context);
    context.features.report('otlp', 'active', reason);
    return { logs: [sink] };
  },
};

async function openSink({ config, env, logger, metrics, version, instanceId }: SinkContext): Promise<OtelLogsSink> {
  try {
    checkCertificates(env);
    return await OtelLogsSink.open({
      settings: otlpSettings(env, { endpoint: config.otlpEndpoint ?? '', queueSize: config.otlpQueueSize }),
      service: { name: 'xe-exporter', version, instanceId, hostName: hostname(), hostId: machineId() },
      env,
      accounting: {
        exported: (count) => metrics.otlpRecords.cell(SIGNAL, 'exported').inc(count),
        failed: (count) => metrics.otlpRecords.cell(SIGNAL, 'failed').inc(count),
        dropped: (count) => metrics.otlpRecords.cell(SIGNAL, 'dropped').inc(count),
        queue(length, capacity) {
          metrics.otlpQueueLength.cell(SIGNAL).set(length);
          metrics.otlpQueueCapacity.cell(SIGNAL).set(capacity);
        },
      },
      log: (level, message) => logger[level]({}, message),
    });
  } catch (error) {
    throw codedError('XEE_OTLP_MISCONFIGURED', { seen: String(error) }, { cause: error });
  }
}

function machineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
