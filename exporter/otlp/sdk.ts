import type { ContextManager } from '@opentelemetry/api';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import type { LogRecordProcessor } from '@opentelemetry/sdk-logs';
import type { IMetricReader } from '@opentelemetry/sdk-metrics';
// Not the package's index: that also loads its declarative configuration with two YAML parsers, 6 MiB of memory for nothing.
import { NodeSDK } from '@opentelemetry/sdk-node/build/src/sdk.js';
import type { OtlpLog } from './export-health.js';
import { resourceAttributes, type ServiceIdentity } from './resource.js';

/** Who sends, for whom the SDK logs, and what it reads. */
export interface SdkContext {
  readonly service: ServiceIdentity;
  /** The process's own environment, which the SDK reads too. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: OtlpLog;
}

/** What one signal brings. */
export interface SdkParts {
  readonly logRecordProcessors?: LogRecordProcessor[];
  readonly metricReaders?: IMetricReader[];
}

/**
 * Starts NodeSDK with these parts and nothing else: no spans, instrumentations, propagation, resource detectors or context tracking,
 * whatever the environment says. Each signal starts one of its own, because they end at different times: logs with the sinks, metrics
 * after them. The SDK's registries are process-wide: whoever uses one clears its own before the start and at the end.
 * {@link routeDiagnostics} comes first, before any part is built.
 */
export function startSdk({ service, env }: SdkContext, parts: SdkParts): NodeSDK {
  const sdk = withoutLogLevel(
    env,
    () =>
      new NodeSDK({
        autoDetectResources: false,
        // The last word is OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME.
        resource: defaultResource()
          .merge(resourceFromAttributes(resourceAttributes(service, env)))
          .merge(detectResources({ detectors: [envDetector] })),
        logRecordProcessors: parts.logRecordProcessors ?? [],
        metricReaders: parts.metricReaders ?? [],
        spanProcessors: [],
        instrumentations: [],
        textMapPropagator: null,
        // Null means none, which the types do not say; the default would track every promise of the process.
        contextManager: null as unknown as ContextManager,
      }),
  );
  sdk.start();
  return sdk;
}

/** NodeSDK would send the SDK's messages to the console when it sees this variable, which {@link routeDiagnostics} has followed. */
function withoutLogLevel<T>(env: NodeJS.ProcessEnv, build: () => T): T {
  const level = env['OTEL_LOG_LEVEL'];
  delete env['OTEL_LOG_LEVEL'];
  try {
    return build();
  } finally {
    if (level !== undefined) env['OTEL_LOG_LEVEL'] = level;
  }
}
