import { findApiAccess } from '../../kubernetes/api/access.js';
import { NO_API_ACCESS } from '../../kubernetes/api/rights.js';
import { nodeNameOf } from '../../kubernetes/node-name.js';
import type { SinkEntry } from '../entry.js';

/** A Warning on a pod that something hit. Keeps to a rate of its own, because its count has to be complete. */
export const kubernetesEvents: SinkEntry = {
  name: 'kubernetes_events',
  feature: 'kubernetes_events',
  wanted: ({ config }) => ({ wanted: config.kubernetesEvents, reason: 'switched off' }),
  async open({ config, env, logger, features, metrics, instanceId }) {
    const access = await findApiAccess(env);
    if (access === undefined) {
      features.report('kubernetes_events', NO_API_ACCESS.state, NO_API_ACCESS.reason, NO_API_ACCESS.fix);
      return undefined;
    }
    // Loaded here: most nodes have no use for it.
    const { KubernetesEventsSink } = await import('./sink.js');
    const nodeName = nodeNameOf(config.nodeName, env);
    const sink = new KubernetesEventsSink({
      access,
      features,
      logger,
      nodeName,
      instance: env['POD_NAME'] || nodeName,
      instanceId,
      includeProcess: config.includeProcess,
      accounting: {
        requested: (result) => metrics.kubernetesEventRequests.cell(result).inc(),
        dropped: (reason, errors) => metrics.eventsDropped.cell('sink', 'kubernetes_events', reason).inc(errors),
      },
    });
    return { events: [sink], clientListener: sink.clientListener };
  },
};
