import type { TestContext } from 'node:test';
import type { XeClient } from '../../../exporter/clients/client.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { KubernetesEventsSink, type KubernetesEventsLimits } from '../../../exporter/sinks/kubernetes-events/sink.js';
import type { FeatureReport } from '../../../exporter/features.js';
import { aClient, anEvent, aWorkload } from '../../helpers/events.js';
import { KubeApi, NODE, type StoredEvent } from '../../helpers/kube-api.js';
import { recordedFeatures } from '../../helpers/recorded-features.js';
import { waitFor } from '../../helpers/wait-for.js';

/** Fast, where a test does not say otherwise. */
export const QUICK: Partial<KubernetesEventsLimits> = {
  podPace: { burst: 1000, intervalMs: 1 },
  totalPace: { burst: 1000, intervalMs: 1 },
  backoff: { firstMs: 2, maxMs: 20, random: () => 0 },
};

export interface Setting {
  readonly api: KubeApi;
  readonly sink: KubernetesEventsSink;
  readonly log: Record<string, unknown>[];
  readonly reports: FeatureReport[];
  readonly requests: Record<string, number>;
  readonly dropped: Record<string, number>;
  /** Hands events over as the bus does: what is refused counts as dropped. */
  publish(...events: DeviceEvent[]): void;
  /** What the API server has, the oldest first. */
  events(): StoredEvent[];
  told(): number;
  /** Waits until Events tell of so many, and the sink knows. */
  settled(count: number): Promise<unknown>;
}

export async function setting(
  t: TestContext,
  {
    limits = {},
    prepare,
    now,
  }: { limits?: Partial<KubernetesEventsLimits>; prepare?: (api: KubeApi) => void; now?: () => number } = {},
): Promise<Setting> {
  const api = await KubeApi.open(t);
  prepare?.(api);
  const { features, reports, log, logger } = recordedFeatures();
  const requests: Record<string, number> = { created: 0, updated: 0, failed: 0 };
  const dropped: Record<string, number> = {};
  const drop = (reason: string, count: number): unknown => (dropped[reason] = (dropped[reason] ?? 0) + count);
  const sink = new KubernetesEventsSink({
    access: api.access(),
    features,
    logger,
    nodeName: NODE,
    instance: 'xe-exporter-abcde',
    instanceId: '11111111-2222-4333-8444-555555555555',
    includeProcess: true,
    accounting: { requested: (result) => requests[result]!++, dropped: drop },
    limits: { ...QUICK, ...limits },
    ...(now && { now }),
  });
  t.after(() => sink.close(0));
  const events = (): StoredEvent[] => [...api.events.values()];
  const told = (): number => sum(events().map(({ count }) => count));
  const answered = (): boolean => sum(Object.values(requests)) >= api.writes().length;
  return {
    api,
    sink,
    log,
    reports,
    requests,
    dropped,
    publish: (...given) => {
      for (const event of given) {
        const refused = sink.accept(event);
        if (refused !== undefined) drop(refused, 1);
      }
    },
    events,
    told,
    settled: (count) => waitFor(() => told() === count && answered(), { what: `${count} errors told` }),
  };
}

/** A client in pod `<pod>` of namespace ml. */
export function inPod(pod: string, given: Partial<XeClient> = {}, namespace = 'ml'): XeClient {
  const podUid = `00000000-0000-4000-8000-${Buffer.from(pod).toString('hex').slice(-12).padStart(12, '0')}`;
  return aClient({ workload: aWorkload({ pod, podUid, namespace }), ...given });
}

export const oom = (pod = 'train-0', given: Partial<DeviceEvent> = {}): DeviceEvent =>
  anEvent({ client: inPod(pod), ...given });

export const times = (count: number, make: (index: number) => DeviceEvent = () => oom()): DeviceEvent[] =>
  Array.from({ length: count }, (_, index) => make(index));

export const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
