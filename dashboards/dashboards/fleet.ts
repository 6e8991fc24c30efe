import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { fleetAlerts } from './annotations.js';
import { TAG, toNode, toTheOthers } from './links.js';
import { stat, thresholds, timeseries } from './panels.js';
import {
  NOT_OK_SINCE,
  UNFIT,
  countInRange,
  firing,
  GPU,
  JOB,
  largest,
  lastTime,
  named,
  newsOverTime,
  ofClients,
  ofGpus,
  ofNodes,
  OOM,
  orZero,
  PLACE,
  FULLEST_VRAM,
  VRAM_USED_RATIO,
  WEDGED,
  withModel,
  WORKLOAD,
} from './queries.js';
import { table } from './table.js';
import { MEMORY_OFF, NOT_SCRAPED, outOfMemoryErrors } from './tiles.js';
import { datasource, gpus, namespaces, places } from './variables.js';

const [CLUSTER, NODE] = PLACE as [string, string];
/** Least step of what is drawn for every GPU of a fleet: each point costs as much as one of a node does a hundred times. */
const FLEET_INTERVAL = '5m';
/** The same where every point counts events. */
const FLEET_BARS = '10m';

/** Which nodes need a look, and whose jobs were hit. */
export function fleetDashboard(): DashboardBuilder {
  return new DashboardBuilder('xe GPUs: fleet')
    .uid('xe-fleet')
    .description('Which nodes have GPUs that ran out of memory or are wedged, and which jobs were hit.')
    .tags([TAG])
    .link(toTheOthers())
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .variables([datasource(), ...places(), gpus(), namespaces()])
    .annotations([fleetAlerts()])
    .withPanel(
      stat({
        title: 'Nodes',
        description: 'Nodes whose exporter answers.',
        empty: NOT_SCRAPED,
        width: 4,
        query: orZero(`count(count by (${[...PLACE, 'instance'].join(', ')}) (${ofNodes(METRIC.buildInfo)}))`),
        limits: thresholds(['red', [1, 'text']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPUs',
        description: 'GPUs bound to the xe driver.',
        empty: 'No GPU is known.',
        width: 4,
        query: orZero(`count(${ofGpus(METRIC.deviceInfo)})`),
        limits: thresholds(['text']),
      }),
    )
    .withPanel(
      stat({
        title: 'Unfit GPUs now',
        description:
          'GPUs that cannot be trusted with work: wedged, lost, not recovered from a reset, or with corrupt firmware.',
        empty: NOT_SCRAPED,
        width: 4,
        query: orZero(`count(${largest([LABEL.pciBdf], UNFIT)})`),
        limits: thresholds(['text', [1, 'red']]),
      }),
    )
    .withPanel(outOfMemoryErrors(6))
    .withPanel(
      stat({
        title: 'Nodes with alerts now',
        description: 'Nodes for which at least one alert of these rules fires.',
        empty: 'No alert.',
        width: 6,
        query: orZero(`count(count by (${PLACE.join(', ')}) (${firing(`${NODE}!=""`)}))`),
        limits: thresholds(['text', [1, 'orange']]),
      }),
    )
    .withPanel(
      table({
        title: 'GPUs that are not fit for work',
        description:
          'What is wrong with them, and since when. GET /devices of the exporter says what began it and what to do.',
        empty: 'Every GPU is fit for work.',
        width: 24,
        height: 4,
        sortedBy: 'Since',
        queries: [NOT_OK_SINCE],
        columns: [
          { field: NODE, title: 'Node', width: 180, link: toNode('Node') },
          { field: CLUSTER, title: 'Cluster', width: 90 },
          { field: LABEL.pciBdf, title: 'GPU', width: 110 },
          { field: LABEL.state, title: 'State' },
          { field: 'Value', title: 'Since', unit: 'dateTimeFromNow', width: 120 },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Firing alerts',
        description:
          'Alerts that fire now: of Prometheus, and of Grafana if it writes their state to this Prometheus (state_history backend prometheus).',
        empty: 'No alert fires.',
        width: 12,
        height: 8,
        sortedBy: 'GPUs or jobs',
        queries: [`count by (alertname, severity, ${PLACE.join(', ')}) (${firing()})`],
        columns: [
          { field: 'alertname', title: 'Alert', width: 165 },
          {
            field: 'severity',
            title: 'Severity',
            width: 85,
            words: {
              critical: { text: 'critical', color: 'red' },
              warning: { text: 'warning', color: 'orange' },
              info: { text: 'info', color: 'text' },
            },
          },
          { field: NODE, title: 'Node', link: toNode('Node') },
          { field: CLUSTER, title: 'Cluster', width: 80 },
          { field: 'Value', title: 'GPUs or jobs', width: 130 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Out-of-memory errors by node (all jobs)',
        description: 'How often a GPU of the node ran out of memory and the driver killed a GPU context.',
        empty: 'No GPU ran out of memory in this range.',
        width: 12,
        style: 'bars',
        interval: FLEET_BARS,
        ofNodes: true,
        lines: { [`{{${NODE}}}`]: newsOverTime(ofGpus(METRIC.vmRebindErrors, OOM), []) },
      }),
    )
    .withPanel(
      table({
        title: 'GPUs with errors (all jobs)',
        description: 'GPUs that ran out of memory in the range or are wedged now. Click on the node to open it.',
        empty: 'No GPU ran out of memory in this range, and none is wedged.',
        width: 24,
        height: 6,
        sortedBy: 'Last time',
        queries: [
          withModel(`(${countInRange(ofGpus(METRIC.vmRebindErrors, OOM), [LABEL.pciBdf])} > 0)`),
          withModel(`(${largest([LABEL.pciBdf], WEDGED)} > 0)`),
          withModel(`(${lastTime(ofGpus(METRIC.vmRebindErrorLastTimestamp), [LABEL.pciBdf])})`),
        ],
        columns: [
          { field: NODE, title: 'Node', width: 180, link: toNode('Node') },
          { field: CLUSTER, title: 'Cluster', width: 90 },
          { field: LABEL.pciBdf, title: 'GPU', width: 110 },
          { field: LABEL.model, title: 'Model' },
          { field: 'Value #A', title: 'Out of memory', width: 115 },
          { field: 'Value #C', title: 'Last time', unit: 'dateTimeFromNow', width: 120 },
          {
            field: 'Value #B',
            title: 'State',
            width: 75,
            words: { '1': { text: 'wedged', color: 'red' } },
          },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Who ran out of GPU memory most',
        description: 'The twenty jobs that were hit most often in the range.',
        empty: 'No job is known to have run out of GPU memory in this range.',
        width: 24,
        height: 7,
        sortedBy: 'Times',
        queries: [
          named(
            `topk(20, ${countInRange(ofClients(METRIC.clientVmRebindErrors, OOM), [LABEL.pciBdf, ...WORKLOAD])} > 0)`,
          ),
          named(lastTime(ofClients(METRIC.clientVmRebindErrorLastTimestamp, OOM), [LABEL.pciBdf, ...WORKLOAD])),
        ],
        columns: [
          { field: JOB, title: 'Job' },
          { field: NODE, title: 'Node', width: 180, link: toNode('Node') },
          { field: CLUSTER, title: 'Cluster', width: 90 },
          { field: LABEL.pciBdf, title: 'GPU', width: 110 },
          { field: 'Value #A', title: 'Times', width: 90 },
          { field: 'Value #B', title: 'Last time', unit: 'dateTimeFromNow', width: 120 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Firing alerts over time',
        description: 'How many alerts fired, by severity.',
        empty: 'No alert fired in this range.',
        width: 12,
        decimals: 0,
        style: 'stacked',
        interval: FLEET_INTERVAL,
        lines: { '{{severity}}': `count by (severity) (${firing()})` },
        colours: { critical: 'red', warning: 'orange', info: 'blue' },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Memory of the fullest GPUs',
        description: 'Used share of VRAM of the ten GPUs that were fullest in the range.',
        empty: MEMORY_OFF,
        width: 12,
        unit: 'percentunit',
        max: 1,
        interval: FLEET_INTERVAL,
        fewLines: true,
        lines: { [`{{${GPU.slice(1).join('}} {{')}}}`]: `${VRAM_USED_RATIO} and topk(10, ${FULLEST_VRAM})` },
      }),
    );
}
