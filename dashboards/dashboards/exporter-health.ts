import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/telemetry/names.js';
import { TAG, toTheOthers } from './links.js';
import { stat, stateTimeline, table, thresholds, timeseries } from './panels.js';
import { countOverTime, ofExporters, ofNodes, orZero, perNode, PLACE } from './queries.js';
import { datasource, places } from './variables.js';

const NODE = PLACE.at(-1)!;
const NOT_SCRAPED = 'No exporter is scraped.';

/** Whether what the other dashboards show can be believed. */
export function exporterHealthDashboard(): DashboardBuilder {
  return new DashboardBuilder('xe GPUs: exporter health')
    .uid('xe-exporter-health')
    .description('Whether the exporters hear everything, and what they lose on the way.')
    .tags([TAG])
    .link(toTheOthers())
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .variables([datasource(), ...places()])
    .withPanel(
      stat({
        title: 'Exporters',
        description: 'Exporters that answer.',
        empty: NOT_SCRAPED,
        width: 6,
        query: orZero(`count(${ofNodes(METRIC.buildInfo)})`),
        limits: thresholds(['red', [1, 'blue']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Sources down',
        description: 'Sources that an exporter wants and does not hear.',
        empty: NOT_SCRAPED,
        width: 6,
        query: orZero(`count(${ofNodes(METRIC.sourceUp)} == 0)`),
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Events lost in range',
        description: 'Lost by the kernel before the exporter could read them: counts are a lower bound.',
        empty: NOT_SCRAPED,
        width: 6,
        query: inRange(METRIC.eventsLost),
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Events dropped in range',
        description: 'Dropped inside the exporter; the graph below tells where and why.',
        empty: NOT_SCRAPED,
        width: 6,
        query: inRange(METRIC.eventsDropped),
        limits: thresholds(['green', [1, 'yellow']]),
      }),
    )
    .withPanel(
      stateTimeline({
        title: 'Sources',
        description: 'Whether each source is heard.',
        empty: NOT_SCRAPED,
        width: 12,
        states: ['down', 'up'],
        bad: 0,
        lines: { [`{{${NODE}}} {{${LABEL.source}}}`]: perNode([LABEL.source], ofNodes(METRIC.sourceUp)) },
      }),
    )
    .withPanel(
      table({
        title: 'Features',
        description: 'What each exporter can do on its node.',
        empty: NOT_SCRAPED,
        width: 12,
        queries: [`${perNode([LABEL.feature, LABEL.state], ofNodes(METRIC.featureInfo))} > 0`],
        columns: [
          { field: NODE, title: 'Node' },
          { field: LABEL.feature, title: 'Feature' },
          { field: LABEL.state, title: 'State' },
        ],
      }),
    )
    .withPanel(bars('Events received', 'By source and name.', METRIC.eventsReceived, LABEL.source, LABEL.event))
    .withPanel(
      timeseries({
        title: 'Event latency',
        description: 'From the kernel to the sinks: nineteen of twenty events took less.',
        empty: NOT_SCRAPED,
        width: 12,
        unit: 's',
        lines: {
          [`{{${LABEL.source}}}`]: `histogram_quantile(0.95, sum by (le, ${LABEL.source}) (rate(${ofNodes(`${METRIC.eventLatency}_bucket`)}[$__rate_interval])))`,
        },
      }),
    )
    .withPanel(
      bars('Events dropped', 'By stage, sink and reason.', METRIC.eventsDropped, LABEL.stage, LABEL.sink, LABEL.reason),
    )
    .withPanel(bars('Events lost', 'By source.', METRIC.eventsLost, LABEL.source))
    .withPanel(bars('Events without a victim', 'By reason.', METRIC.eventsUnattributed, LABEL.reason))
    .withPanel(bars('Clients that could not be watched', 'By reason.', METRIC.clientAttachFailures, LABEL.reason))
    .withPanel(bars('Restarts of sources', 'By source.', METRIC.sourceRestarts, LABEL.source))
    .withPanel(
      bars(
        'Series turned away',
        'More containers than series: the rest is _other.',
        METRIC.seriesOverflow,
        LABEL.metric,
      ),
    )
    .withPanel(
      bars('OTLP records', 'By result; 0 where OTLP is off (--otlp-endpoint).', METRIC.otlpRecords, LABEL.result),
    )
    .withPanel(
      timeseries({
        title: 'OTLP queue',
        description: 'Used share of the queue; 0 where OTLP is off (--otlp-endpoint).',
        empty: NOT_SCRAPED,
        width: 12,
        unit: 'percentunit',
        max: 1,
        lines: {
          [`{{${NODE}}}`]: orZero(
            `${perNode([], ofNodes(METRIC.otlpQueueLength))} / ${perNode([], ofNodes(METRIC.otlpQueueCapacity))}`,
          ),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Memory of the exporter',
        description: 'Resident memory of its process.',
        empty: NOT_SCRAPED,
        width: 12,
        unit: 'bytes',
        lines: { [`{{${NODE}}}`]: perNode([], ofExporters('process_resident_memory_bytes')) },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Processor time of the exporter',
        description: 'In processors.',
        empty: NOT_SCRAPED,
        width: 12,
        lines: {
          [`{{${NODE}}}`]: perNode([], `rate(${ofExporters('process_cpu_seconds_total')}[$__rate_interval])`),
        },
      }),
    );
}

function inRange(metric: string): string {
  return orZero(`round(sum(increase(${ofNodes(metric)}[$__range])))`);
}

function bars(title: string, description: string, metric: string, ...labels: readonly string[]) {
  const legend = labels.map((label) => `{{${label}}}`).join(' ');
  const query = countOverTime(ofNodes(metric), labels);
  return timeseries({ title, description, empty: NOT_SCRAPED, width: 12, style: 'bars', lines: { [legend]: query } });
}
