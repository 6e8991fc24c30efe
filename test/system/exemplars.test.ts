import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ATTRIBUTE, EXEMPLAR_LABEL, METRIC, PATH } from '../../exporter/names.js';
import { waitFor } from '../helpers/wait-for.js';
import { startDemo } from './demo-exporter.js';
import { startPrometheus } from './prometheus-server.js';
import { tool } from './tool.js';

interface LoggedEvent {
  readonly attributes: Readonly<Record<string, unknown>>;
}

for (const version of ['2', '3'] as const) {
  describe(`exemplars in Prometheus ${version}`, () => {
    it('lead from the counters of a device and of a container to the log event', async (t) => {
      const exporter = await startDemo({ flags: ['--exemplars', '--event-rate-limit-per-minute=0', '--demo-rate=5'] });
      t.after(() => exporter.stop());
      const target = new URL(exporter.metricsUrl).host;
      const prometheus = await startPrometheus(tool('PROMETHEUS', version), target, '', [
        '--enable-feature=exemplar-storage',
      ]);
      t.after(() => prometheus.stop());

      for (const metric of [METRIC.vmRebindErrors, METRIC.clientVmRebindErrors]) {
        const series = await waitFor(
          async () => {
            const found = await prometheus.exemplars(metric);
            return found.length > 0 ? found : undefined;
          },
          { what: `an exemplar of ${metric}`, deadlineMs: 180_000 },
        );
        const exemplar = series[0]!.exemplars.at(-1);
        assert.deepEqual(Object.keys(exemplar!.labels), [EXEMPLAR_LABEL]);
        assert.equal(exemplar!.value, '1');
        assert.ok(Math.abs(exemplar!.timestamp - Date.now() / 1000) < 600);
        const id = exemplar!.labels[EXEMPLAR_LABEL];
        const event = await waitFor(async () => (await logged(exporter.url)).find((one) => idOf(one) === id), {
          what: `the log event ${id}`,
          deadlineMs: 180_000,
        });
        assert.equal(event.attributes[ATTRIBUTE.hwId], series[0]!.seriesLabels['pci_bdf']);
      }
      assert.deepEqual(prometheus.complaints(), []);
    });
  });
}

const idOf = ({ attributes }: LoggedEvent): unknown => attributes[ATTRIBUTE.eventId];

async function logged(url: string): Promise<readonly LoggedEvent[]> {
  const response = await fetch(`${url}${PATH.events}?format=json`);
  return ((await response.json()) as { events: readonly LoggedEvent[] }).events;
}
