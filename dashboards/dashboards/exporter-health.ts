import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { anyOf } from '../rules/promql.js';
import { TAG, toNode, toTheOthers } from './links.js';
import { stat, thresholds, timeseries } from './panels.js';
import {
  countsInRange,
  largest,
  largestInRange,
  newsOverTime,
  ofExporters,
  ofNodes,
  orZero,
  perNode,
  PLACE,
  totalInRange,
  WHAT,
  WHY,
} from './queries.js';
import { table } from './table.js';
import { NOT_SCRAPED } from './tiles.js';
import { datasource, places } from './variables.js';

const NODE = PLACE.at(-1)!;
/** Least step of what is drawn for every exporter of a fleet. */
const FLEET_INTERVAL = '5m';
const NAMES_VICTIMS = ofNodes(METRIC.featureInfo, `${LABEL.feature}=~"watch_queue|trace"`, `${LABEL.state}="active"`);
const ON_PLACE = `on (${PLACE.join(', ')})`;

/** Whether what the other dashboards show can be believed. */
export function exporterHealthDashboard(): DashboardBuilder {
  return new DashboardBuilder('xe GPUs: exporter health')
    .uid('xe-exporter-health')
    .description('Whether the exporters receive everything, and what they lose on the way.')
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
        width: 3,
        query: orZero(`count(${ofNodes(METRIC.buildInfo)})`),
        limits: thresholds(['red', [1, 'text']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Exporters down',
        description: 'Targets that Prometheus cannot scrape.',
        empty: NOT_SCRAPED,
        width: 4,
        query: orZero(`count(${ofExporters('up')} == 0)`),
        limits: thresholds(['text', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Sources down',
        description: 'Event sources that should deliver and do not.',
        empty: NOT_SCRAPED,
        width: 4,
        query: orZero(`count(${ofNodes(METRIC.sourceUp)} == 0)`),
        limits: thresholds(['text', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Nodes without victim names',
        description:
          'Nodes whose kernel offers no way to name the process behind a GPU error, or where the exporter may not use it. Their errors count as "unknown".',
        empty: NOT_SCRAPED,
        width: 5,
        query: orZero(
          `count(count by (${PLACE.join(', ')}) (${ofNodes(METRIC.deviceInfo)}) unless ${ON_PLACE} ${NAMES_VICTIMS})`,
        ),
        limits: thresholds(['text']),
      }),
    )
    .withPanel(
      stat({
        title: 'Events lost in range',
        description: 'Lost by the kernel before the exporter could read them: counts are a lower bound.',
        empty: NOT_SCRAPED,
        width: 4,
        query: totalInRange(ofNodes(METRIC.eventsLost)),
        limits: thresholds(['text', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Events dropped in range',
        description: 'Dropped inside the exporter; the table below says where and why.',
        empty: NOT_SCRAPED,
        width: 4,
        query: totalInRange(ofNodes(METRIC.eventsDropped)),
        limits: thresholds(['text', [1, 'orange']]),
      }),
    )
    .withPanel(
      table({
        title: 'Events lost or without a victim',
        description: 'What was not counted in the range, not once, or for nobody, and why: the thirty worst.',
        empty: 'No event was lost, dropped or without a victim in this range.',
        width: 12,
        height: 5,
        sortedBy: 'Times',
        queries: [worst(LOSSES)],
        columns: WHAT_WHERE_AND_HOW_OFTEN,
      }),
    )
    .withPanel(
      table({
        title: 'Failures of the exporters',
        description: 'What the exporters could not do in the range, and why: the thirty worst.',
        empty: 'Nothing failed in this range.',
        width: 12,
        height: 5,
        sortedBy: 'Times',
        queries: [worst(FAILURES)],
        columns: WHAT_WHERE_AND_HOW_OFTEN,
      }),
    )
    .withPanel(
      table({
        title: 'Sources that are down',
        description: 'Events of these sources are not seen at the moment.',
        empty: 'No source is down.',
        width: 7,
        height: 4,
        sortedBy: 'Node',
        queries: [`${largest([LABEL.source], ofNodes(METRIC.sourceUp))} == 0`],
        columns: [
          { field: NODE, title: 'Node', link: toNode('Node') },
          { field: LABEL.source, title: 'Source' },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'What kernels or privileges do not allow',
        description: 'On how many nodes a feature is unsupported by the kernel or denied; "doctor" on a node says why.',
        empty: 'Every feature that is switched on is active.',
        width: 10,
        height: 4,
        sortedBy: 'Nodes',
        queries: [
          `count by (${LABEL.feature}, ${LABEL.state}) (${ofNodes(METRIC.featureInfo, `${LABEL.state}=~"denied|unsupported"`)})`,
        ],
        columns: [
          { field: LABEL.feature, title: 'Feature' },
          {
            field: LABEL.state,
            title: 'State',
            words: {
              denied: { text: 'denied', color: 'orange' },
              unsupported: { text: 'unsupported by the kernel', color: 'text' },
            },
          },
          { field: 'Value', title: 'Nodes', width: 80 },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Versions',
        description: 'Which versions of the exporter run, and on how many nodes.',
        empty: NOT_SCRAPED,
        width: 7,
        height: 4,
        sortedBy: 'Nodes',
        queries: [`count by (${LABEL.version}, ${LABEL.revision}) (${ofNodes(METRIC.buildInfo)})`],
        columns: [
          { field: LABEL.version, title: 'Version' },
          { field: LABEL.revision, title: 'Commit', width: 90 },
          { field: 'Value', title: 'Nodes', width: 80 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Events received',
        description: 'By source and name, over all chosen nodes.',
        empty: 'No event in this range.',
        width: 14,
        style: 'bars',
        interval: FLEET_INTERVAL,
        lines: {
          [`{{${LABEL.source}}} {{${LABEL.event}}}`]: `sum by (${LABEL.source}, ${LABEL.event}) (${newsOverTime(ofNodes(METRIC.eventsReceived), [LABEL.source, LABEL.event])})`,
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Event latency',
        description: 'Time from the kernel to the sinks, 95th percentile.',
        empty: 'No event in this range.',
        width: 10,
        unit: 's',
        style: 'points',
        interval: FLEET_INTERVAL,
        lines: {
          // Without an event there is no quantile: NaN is not >= 0.
          ['95th percentile']: `histogram_quantile(0.95, sum by (le) (rate(${ofNodes(`${METRIC.eventLatency}_bucket`)}[$__rate_interval]))) >= 0`,
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Memory of the exporter',
        description: 'Resident memory of the ten largest exporters.',
        empty: NOT_SCRAPED,
        width: 6,
        unit: 'bytes',
        interval: FLEET_INTERVAL,
        ofNodes: true,
        lines: { [`{{${NODE}}}`]: largestInRange(10, largest([], ofExporters('process_resident_memory_bytes'))) },
      }),
    )
    .withPanel(
      timeseries({
        title: 'CPU of the exporter',
        description: 'Share of one CPU that the ten busiest exporters use.',
        empty: NOT_SCRAPED,
        width: 6,
        unit: 'percentunit',
        interval: FLEET_INTERVAL,
        ofNodes: true,
        lines: {
          [`{{${NODE}}}`]: largestInRange(
            10,
            largest([], `rate(${ofExporters('process_cpu_seconds_total')}[$__rate_interval])`),
          ),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Scrape duration',
        description: 'How long Prometheus takes to scrape the ten slowest exporters.',
        empty: NOT_SCRAPED,
        width: 6,
        unit: 's',
        interval: FLEET_INTERVAL,
        ofNodes: true,
        lines: { [`{{${NODE}}}`]: largestInRange(10, largest([], ofExporters('scrape_duration_seconds'))) },
      }),
    )
    .withPanel(
      timeseries({
        title: 'OTLP queue',
        description: 'Used share of the queue on the ten nodes where it was fullest.',
        empty: 'OTLP is off on these nodes: --otlp-endpoint switches it on.',
        width: 6,
        unit: 'percentunit',
        max: 1,
        interval: FLEET_INTERVAL,
        ofNodes: true,
        lines: {
          [`{{${NODE}}}`]: largestInRange(
            10,
            `${perNode([], ofNodes(METRIC.otlpQueueLength))} / ${perNode([], ofNodes(METRIC.otlpQueueCapacity))}`,
          ),
        },
      }),
    );
}

const WHAT_WHERE_AND_HOW_OFTEN = [
  { field: NODE, title: 'Node', width: 120, link: toNode('Node') },
  { field: WHAT, title: 'What' },
  { field: WHY, title: 'Where or why' },
  { field: 'Value', title: 'Times', width: 70 },
];

/** What it is called, its counter, and which of its counts are meant if not all. */
type Unwanted = readonly [what: string, counter: string, ...matchers: string[]];

/** What should not happen to an event. */
const LOSSES: readonly Unwanted[] = [
  ['events lost by the kernel', METRIC.eventsLost],
  ['events dropped by the exporter', METRIC.eventsDropped],
  ['reports that may count an event twice', METRIC.eventsUnmerged],
  ['errors without a victim', METRIC.eventsUnattributed],
];

/** What should not happen to an exporter. */
const FAILURES: readonly Unwanted[] = [
  ['clients that could not be watched', METRIC.clientAttachFailures],
  ['restarts of a source', METRIC.sourceRestarts],
  ['containers over the series limit', METRIC.seriesOverflow],
  ['OTLP records not delivered', METRIC.otlpRecords, anyOf(LABEL.result, ['failed', 'dropped'])],
  ['Kubernetes Events not written', METRIC.kubernetesEventRequests, anyOf(LABEL.result, ['failed'])],
  ['node conditions not written', METRIC.nodeConditionWrites, anyOf(LABEL.result, ['failed'])],
  ['coredumps not copied whole', METRIC.coredumpCopies, anyOf(LABEL.result, ['failed', 'truncated'])],
  ['event streams closed or refused', METRIC.streamSubscribersDropped],
  ['events that a slow stream missed', METRIC.streamEventsMissed],
  ['requests of jobs not answered', METRIC.jobRequests, anyOf(LABEL.result, ['refused', 'unidentified'])],
];

/** What happened most often in the range, on which node. */
function worst(unwanted: readonly Unwanted[]): string {
  const counters = unwanted.map(([what, counter, ...matchers]) => [ofNodes(counter, ...matchers), what] as const);
  return `topk(30, ${countsInRange(counters)})`;
}
