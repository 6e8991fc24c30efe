import { EVENT } from '../../exporter/events/index.js';
import { AWAKE } from '../../exporter/host/device-state.js';
import { SINK_DROPS } from '../../exporter/metrics/event-drops.js';
import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import {
  CLIENT_FAULTS,
  COREDUMP_COPY_RESULTS,
  DEVICE_HEALTH_STATES,
  FEATURES,
  FEATURE_STATES,
  SINKS,
  SOURCES,
  STREAM_DROP_REASONS,
  WORKLOAD_LABELS,
} from '../../exporter/names.js';
import { aDevice } from '../../test/helpers/events.js';

/** One metric as the exporter's own registry exposes it, with every label and every value seen of it. */
export interface ExposedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * The text exposition of a real registry in which everything is registered: every source, sink and feature, one device and one client.
 * One text for each combination that excludes another, such as the kind of workload labels.
 */
export async function expositionsOfEverything(): Promise<readonly string[]> {
  const turns = Math.max(WORKLOAD_LABELS.length, FEATURE_STATES.length, DEVICE_HEALTH_STATES.length);
  return Promise.all(Array.from({ length: turns }, (_, turn) => expositionOfTurn(turn)));
}

async function expositionOfTurn(turn: number): Promise<string> {
  const metrics = new ExporterMetrics({
    sources: SOURCES,
    sinks: SINKS,
    version: '1.2.3',
    revision: 'abc',
    nodeVersion: '20',
    workloadLabels: WORKLOAD_LABELS[turn % WORKLOAD_LABELS.length]!,
    processMetrics: turn === 0,
  });
  metrics.metricPushOpened();
  metrics.nodeConditionOpened();
  const device = aDevice();
  metrics.devices.deviceDiscovered(device);
  // Series that are born by their first event.
  const { counters, fault } = metrics.devices.clientRebindErrors.acquire(device.pciBdf, undefined);
  for (const errors of counters) errors.count(1);
  for (const name of CLIENT_FAULTS) fault(name).inc();
  for (const result of COREDUMP_COPY_RESULTS) metrics.coredumpCopies.cell(result);
  for (const source of SOURCES) {
    metrics.eventsReceived.cell(source, EVENT.vmRebindError);
    metrics.eventsDeduplicated.cell(source);
    metrics.eventsUnmerged.cell(source);
  }
  for (const sink of SINKS) for (const reason of SINK_DROPS[sink]) metrics.eventsDropped.cell('sink', sink, reason);
  for (const reason of STREAM_DROP_REASONS) metrics.streamSubscribersDropped.cell(reason);
  const state = FEATURE_STATES[turn % FEATURE_STATES.length]!;
  for (const feature of FEATURES) metrics.featureChanged({ feature, state, reason: '', fix: '' });
  metrics.devices.deviceState(device, AWAKE);
  const { pciBdf } = device;
  const health = DEVICE_HEALTH_STATES[turn % DEVICE_HEALTH_STATES.length]!;
  metrics.health.set({ pciBdf, state: health, reason: 'ok', sinceMs: 0, cause: undefined, advice: '' });
  const held = [{ workload: undefined, regions: [{ region: 'vram0', residentBytes: 1 }] }];
  metrics.devices.deviceMemory(device, [{ region: 'vram0', usedBytes: 1, sizeBytes: 2 }], held);
  metrics.devices.deviceMemoryAtOom(device, held);
  metrics.devices.ras.grown(device.pciBdf, 'correctable-errors', 'device-memory', 1);
  metrics.devices.moves.moved(device.pciBdf, { evictions: 1, evictedBytes: 2, restoredBytes: 1 });
  return metrics.registry.render('text');
}

/** Every metric there is, in the order of the exposition. */
export async function everyMetric(): Promise<readonly ExposedMetric[]> {
  const metrics = new Map<string, Omit<ExposedMetric, 'labels'> & { readonly labels: Map<string, Set<string>> }>();
  for (const text of await expositionsOfEverything()) {
    for (const [, name = '', help = '', type = '', samples = ''] of text.matchAll(FAMILY)) {
      const metric = metrics.get(name) ?? { name, type, help, labels: new Map<string, Set<string>>() };
      metrics.set(name, metric);
      for (const [, label = '', value = ''] of samples.matchAll(/[{,]([a-z0-9_]+)="([^"]*)"/g)) {
        metric.labels.set(label, (metric.labels.get(label) ?? new Set()).add(value));
      }
    }
  }
  return [...metrics.values()];
}

const FAMILY = /^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n((?:[^#\n].*\n)*)/gm;
