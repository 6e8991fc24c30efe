import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { TAG, toTheOthers } from './links.js';
import { stat, stateTimeline, thresholds, timeseries } from './panels.js';
import { newsOverTime, ofExporters, ofNodes, orZero, perNode, PLACE } from './queries.js';
import { table } from './table.js';
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
        title: 'Features that are not active',
        description: 'What an exporter cannot do on its node, or was told not to; "doctor" on the node says why.',
        empty: 'Every feature is active, or no exporter is scraped.',
        width: 12,
        sortedBy: 'State',
        queries: [
          `${perNode([LABEL.feature, LABEL.state], ofNodes(METRIC.featureInfo, `${LABEL.state}!="active"`))} > 0`,
        ],
        columns: [
          { field: NODE, title: 'Node' },
          { field: LABEL.feature, title: 'Feature' },
          {
            field: LABEL.state,
            title: 'State',
            words: {
              denied: { text: 'denied', color: 'red' },
              unsupported: { text: 'unsupported', color: 'orange' },
              disabled: { text: 'disabled', color: 'text' },
            },
          },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Events received',
        description: 'By source and name, over all chosen nodes.',
        empty: 'None in this range.',
        width: 12,
        style: 'bars',
        lines: {
          [`{{${LABEL.source}}} {{${LABEL.event}}}`]: `sum by (${LABEL.source}, ${LABEL.event}) (${newsOverTime(ofNodes(METRIC.eventsReceived), [LABEL.source, LABEL.event])})`,
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Event latency',
        description: 'From the kernel to the sinks: nineteen of twenty events took less.',
        empty: 'No event in this range.',
        width: 12,
        unit: 's',
        style: 'points',
        lines: {
          // Without an event there is no quantile: NaN is not >= 0.
          [`{{${LABEL.source}}}`]: `histogram_quantile(0.95, sum by (le, ${LABEL.source}) (rate(${ofNodes(`${METRIC.eventLatency}_bucket`)}[$__rate_interval]))) >= 0`,
        },
      }),
    )
    .withPanel(
      bars(
        'Events dropped',
        'By node, stage, sink and reason.',
        METRIC.eventsDropped,
        LABEL.stage,
        LABEL.sink,
        LABEL.reason,
      ),
    )
    .withPanel(bars('Events lost', 'By node and source.', METRIC.eventsLost, LABEL.source))
    .withPanel(bars('Events without a victim', 'By node and reason.', METRIC.eventsUnattributed, LABEL.reason))
    .withPanel(
      bars('Clients that could not be watched', 'By node and reason.', METRIC.clientAttachFailures, LABEL.reason),
    )
    .withPanel(bars('Restarts of sources', 'By node and source.', METRIC.sourceRestarts, LABEL.source))
    .withPanel(
      bars(
        'Series turned away',
        'More containers than series: the rest is _other.',
        METRIC.seriesOverflow,
        LABEL.metric,
      ),
    )
    .withPanel(
      bars(
        'OTLP records',
        'By node and result; none where OTLP is off (--otlp-endpoint).',
        METRIC.otlpRecords,
        LABEL.result,
      ),
    )
    .withPanel(
      timeseries({
        title: 'OTLP queue',
        description: 'Used share of the queue.',
        empty: 'OTLP is off on these nodes: --otlp-endpoint switches it on.',
        width: 12,
        height: 6,
        unit: 'percentunit',
        max: 1,
        lines: {
          [`{{${NODE}}}`]: `${perNode([], ofNodes(METRIC.otlpQueueLength))} / ${perNode([], ofNodes(METRIC.otlpQueueCapacity))}`,
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
        description: 'Share of one processor.',
        empty: NOT_SCRAPED,
        width: 12,
        unit: 'percentunit',
        lines: {
          [`{{${NODE}}}`]: perNode([], `rate(${ofExporters('process_cpu_seconds_total')}[$__rate_interval])`),
        },
      }),
    );
}

function inRange(metric: string): string {
  return orZero(`round(sum(increase(${ofNodes(metric)}[$__range])))`);
}

/** How often something happened on each node, and nothing where it did not. */
function bars(title: string, description: string, metric: string, ...labels: readonly string[]) {
  const legend = [NODE, ...labels].map((label) => `{{${label}}}`).join(' ');
  return timeseries({
    title,
    description,
    empty: 'None in this range.',
    width: 12,
    height: 6,
    style: 'bars',
    lines: { [legend]: newsOverTime(ofNodes(metric), labels) },
  });
}
