import type { Config } from '../config/schema.js';
import type { Environment } from '../config/load.js';
import type { DeviceHealth } from '../events/device-health.js';
import type { FeatureBoard } from '../features.js';
import { findApiAccess } from '../kubernetes/api/access.js';
import { NO_API_ACCESS } from '../kubernetes/api/rights.js';
import { nodeNameOf } from '../kubernetes/node-name.js';
import type { Logger } from '../logger.js';
import type { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { fitnessOf } from './fitness.js';
import type { ConditionWriter } from './writer.js';

export interface NodeConditionContext {
  readonly config: Pick<Config, 'kubernetesNodeCondition' | 'nodeName'>;
  readonly env: Environment;
  readonly logger: Logger;
  readonly features: FeatureBoard;
  readonly metrics: ExporterMetrics;
  /** Whether each device is fit for work; not asked before the start. */
  readonly devices: () => readonly DeviceHealth[];
}

/** Makes what keeps the condition of the node, if that is wanted and there is an API server, and reports the feature. Starts nothing yet. */
export async function openNodeCondition(context: NodeConditionContext): Promise<ConditionWriter | undefined> {
  const { config, env, logger, features, metrics, devices } = context;
  if (!config.kubernetesNodeCondition) {
    features.report('kubernetes_node_condition', 'disabled', 'switched off');
    return undefined;
  }
  const access = await findApiAccess(env);
  if (access === undefined) {
    features.report('kubernetes_node_condition', NO_API_ACCESS.state, NO_API_ACCESS.reason, NO_API_ACCESS.fix);
    return undefined;
  }
  // Loaded here: most nodes have no use for it.
  const { ConditionWriter } = await import('./writer.js');
  const nodeName = nodeNameOf(config.nodeName, env);
  metrics.nodeConditionOpened();
  return new ConditionWriter({
    access,
    nodeName,
    instance: env['POD_NAME'] || nodeName,
    features,
    logger,
    judge: () => fitnessOf(devices()),
    accounting: {
      written: (ok) => metrics.nodeConditionWrites.cell(ok ? 'written' : 'failed').inc(),
      eventWritten: (ok) => metrics.kubernetesEventRequests.cell(ok ? 'created' : 'failed').inc(),
    },
  });
}
