import type { Config } from '../../config/schema.js';
import { codedError } from '../../errors.js';
import type { FeatureBoard } from '../../features.js';
import type { Logger } from '../../logger.js';
import type { ExporterMetrics } from '../../metrics/exporter-metrics.js';
import { checkCertificates } from '../certificates.js';
import type { Environment } from '../environment.js';
import { serviceIdentity } from '../resource.js';
import { METRICS } from '../signal.js';
import { otlpWanted, type OtlpDecision } from '../wanted.js';
import type { MetricPush } from './push.js';
import { pushSettings } from './settings.js';

export interface MetricPushContext {
  readonly config: Pick<Config, 'otlpEndpoint' | 'otlpMetrics'>;
  readonly env: Environment;
  readonly logger: Logger;
  readonly features: FeatureBoard;
  readonly metrics: ExporterMetrics;
  /** Version of the exporter. */
  readonly version: string;
  /** `service.instance.id`. */
  readonly instanceId: string;
}

/** Whether metrics are to be pushed: for --otlp-metrics or OTEL_METRICS_EXPORTER=otlp. Pure. */
export function metricPushWanted({ config, env }: Pick<MetricPushContext, 'config' | 'env'>): OtlpDecision {
  const option = { flag: '--otlp-metrics', isSet: config.otlpMetrics };
  return otlpWanted(env, METRICS, { endpoint: config.otlpEndpoint ?? '', option });
}

/**
 * Starts to push metrics, if that is wanted, and reports the feature. Loads the OpenTelemetry SDK only then.
 *
 * @throws CodedError for a mistake in its configuration
 */
export async function openMetricPush(context: MetricPushContext): Promise<MetricPush | undefined> {
  const { config, env, logger, features, metrics, version, instanceId } = context;
  const { wanted, reason, warning } = metricPushWanted(context);
  if (warning) logger.warn({}, warning);
  if (!wanted) {
    features.report('otlp_metrics', 'disabled', reason);
    return undefined;
  }
  try {
    checkCertificates(env, METRICS);
    const { MetricPush } = await import('./push.js');
    const push = new MetricPush({
      settings: pushSettings(env, config.otlpEndpoint ?? ''),
      service: serviceIdentity(version, instanceId),
      env,
      registry: metrics.registry,
      accounting: {
        exported: (points) => metrics.otlpRecords.cell(METRICS.name, 'exported').inc(points),
        failed: (points) => metrics.otlpRecords.cell(METRICS.name, 'failed').inc(points),
      },
      log: (level, message) => logger[level]({}, message),
    });
    metrics.metricPushOpened();
    features.report('otlp_metrics', 'active', reason);
    return push;
  } catch (error) {
    throw codedError('XEE_OTLP_MISCONFIGURED', { seen: String(error) }, { cause: error });
  }
}
