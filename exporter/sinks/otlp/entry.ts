import { codedError } from '../../errors.js';
import { checkCertificates } from '../../otlp/certificates.js';
import { serviceIdentity } from '../../otlp/resource.js';
import { LOGS } from '../../otlp/signal.js';
import { otlpWanted } from '../../otlp/wanted.js';
import type { SinkContext, SinkEntry } from '../entry.js';
import { otlpSettings } from './settings.js';
import { OtelLogsSink } from './sink.js';

/** Log events over OTLP, for an endpoint or OTEL_LOGS_EXPORTER=otlp. */
export const otelLogs: SinkEntry = {
  name: 'otel_logs',
  feature: 'otlp',
  wanted: ({ config, env }) => otlpWanted(env, LOGS, { endpoint: config.otlpEndpoint ?? '' }),
  async open(context, reason) {
    const sink = await openSink(context);
    context.features.report('otlp', 'active', reason);
    return { logs: [sink] };
  },
};

async function openSink({ config, env, logger, metrics, version, instanceId }: SinkContext): Promise<OtelLogsSink> {
  try {
    checkCertificates(env, LOGS);
    return await OtelLogsSink.open({
      settings: otlpSettings(env, { endpoint: config.otlpEndpoint ?? '', queueSize: config.otlpQueueSize }),
      service: serviceIdentity(version, instanceId),
      env,
      accounting: {
        exported: (count) => metrics.otlpRecords.cell(LOGS.name, 'exported').inc(count),
        failed: (count) => metrics.otlpRecords.cell(LOGS.name, 'failed').inc(count),
        dropped: (count) => metrics.otlpRecords.cell(LOGS.name, 'dropped').inc(count),
        queue(length, capacity) {
          metrics.otlpQueueLength.cell(LOGS.name).set(length);
          metrics.otlpQueueCapacity.cell(LOGS.name).set(capacity);
        },
      },
      log: (level, message) => logger[level]({}, message),
    });
  } catch (error) {
    throw codedError('XEE_OTLP_MISCONFIGURED', { seen: String(error) }, { cause: error });
  }
}
