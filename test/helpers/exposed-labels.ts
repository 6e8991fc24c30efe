import { EVENT } from '../../exporter/events/index.js';
import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import { SINKS, SOURCES, WORKLOAD_LABELS } from '../../exporter/names.js';
import { aDevice } from './events.js';
import { parseExposition } from './exposition.js';

/** Every metric on /metrics with the labels that it has there, taken from the exporter's own registry with everything on. */
export async function exposedLabels(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map<string, Set<string>>();
  for (const workloadLabels of WORKLOAD_LABELS) {
    const metrics = new ExporterMetrics({
      sources: SOURCES,
      sinks: SINKS,
      version: '1.2.3',
      revision: 'abc',
      nodeVersion: '20',
      workloadLabels,
      processMetrics: workloadLabels === WORKLOAD_LABELS[0],
    });
    const device = aDevice();
    metrics.devices.deviceDiscovered(device);
    metrics.devices.clientRebindErrors.acquire(device.pciBdf, undefined).counters[0]?.count(1);
    for (const source of SOURCES) metrics.eventsReceived.cell(source, EVENT.vmRebindError);
    metrics.featureChanged({ feature: 'watch_queue', state: 'active', reason: '', fix: '' });
    metrics.devices.deviceState(device, { inSurvivability: false, suspended: false });
    const regions = [{ region: 'vram0', usedBytes: 1, sizeBytes: 2 }];
    metrics.devices.deviceMemory(device, regions, [
      { workload: undefined, regions: [{ region: 'vram0', residentBytes: 1 }] },
    ]);
    for (const key of parseExposition(await metrics.registry.render('text')).keys()) {
      const [, name = '', labels = ''] = /^([^{]+)(?:\{(.*)\})?$/s.exec(key) ?? [];
      const known = found.get(name) ?? new Set();
      for (const [, label = ''] of labels.matchAll(/([a-z0-9_]+)="/g)) known.add(label);
      found.set(name, known);
    }
  }
  return found;
}
