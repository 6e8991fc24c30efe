import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { outOfMemory, wedged } from './annotations.js';
import { TAG, toTheOthers } from './links.js';
import { stat, thresholds, timeseries } from './panels.js';
import {
  countInRange,
  FULLEST,
  GPU,
  newsOverTime,
  ofClients,
  ofGpus,
  ofNodes,
  OOM,
  OOM_IN_RANGE,
  orZero,
  PLACE,
  WEDGED_IN_RANGE,
  WORKLOAD,
} from './queries.js';
import { table } from './table.js';
import { datasource, gpus, namespaces, places } from './variables.js';

const [CLUSTER, NODE] = PLACE as [string, string];
const MEMORY_OFF = 'No VRAM is reported: switch the reading of memory on with --memory-interval.';

const OOM_OF_GPU = countInRange(ofGpus(METRIC.vmRebindErrors, OOM), [LABEL.pciBdf]);
const WEDGED_GPU = `max by (${GPU.join(', ')}) (max_over_time(${ofGpus(METRIC.deviceWedged)}[$__range]))`;
/** GPUs that have a row: they have both values then. */
const HURT = `(${OOM_OF_GPU} > 0 or ${WEDGED_GPU} > 0)`;

/** Which nodes need a look, and whose jobs they hit. */
export function fleetDashboard(): DashboardBuilder {
  return new DashboardBuilder('xe GPUs: fleet')
    .uid('xe-fleet')
    .description('Which nodes had GPUs that ran out of memory or were given up, and which pods it hit.')
    .tags([TAG])
    .link(toTheOthers())
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .variables([datasource(), ...places(), gpus(), namespaces()])
    .annotations([outOfMemory(), wedged()])
    .withPanel(
      stat({
        title: 'Nodes',
        description: 'Nodes with an exporter that answers.',
        empty: 'No exporter is scraped.',
        width: 6,
        query: orZero(`count(count by (${[...PLACE, 'instance'].join(', ')}) (${ofNodes(METRIC.buildInfo)}))`),
        limits: thresholds(['red', [1, 'blue']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPUs',
        description: 'GPUs of the xe driver.',
        empty: 'No GPU is known.',
        width: 6,
        query: orZero(`count(${ofGpus(METRIC.deviceInfo)})`),
        limits: thresholds(['blue']),
      }),
    )
    .withPanel(
      stat({
        title: 'Out-of-memory errors in range',
        description: 'How often a GPU ran out of memory and the driver stopped a VM (ENOMEM, ENOSPC).',
        empty: 'No exporter is scraped.',
        width: 6,
        query: OOM_IN_RANGE,
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPUs wedged in range',
        description: 'GPUs that the driver gave up. They need a reset or a reboot.',
        empty: 'No exporter is scraped.',
        width: 6,
        query: WEDGED_IN_RANGE,
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      table({
        title: 'GPUs with errors',
        description: 'GPUs that ran out of memory or were wedged in the range. A click on the node opens it.',
        empty: 'No GPU ran out of memory and none was wedged in this range.',
        width: 12,
        height: 10,
        sortedBy: 'Out of memory',
        queries: [`${OOM_OF_GPU} and ${HURT}`, `${WEDGED_GPU} and ${HURT}`],
        columns: [
          { field: NODE, title: 'Node', link: toNode('Node') },
          { field: CLUSTER, title: 'Cluster', width: 100 },
          { field: LABEL.pciBdf, title: 'GPU', width: 110 },
          { field: 'Value #A', title: 'Out of memory', width: 120 },
          {
            field: 'Value #B',
            title: 'Wedged',
            width: 85,
            words: { '0': { text: 'no', color: 'text' }, '1': { text: 'wedged', color: 'red' } },
          },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Who ran out of GPU memory most',
        description: 'The twenty that were hit most in the range.',
        empty: 'Nobody is known to have run out of GPU memory in this range.',
        width: 12,
        height: 10,
        sortedBy: 'Out of memory',
        queries: [`topk(20, ${countInRange(ofClients(METRIC.clientVmRebindErrors, OOM), WORKLOAD)} > 0)`],
        columns: [
          { field: LABEL.k8sPod, title: 'Pod' },
          { field: LABEL.k8sNamespace, title: 'Namespace' },
          { field: LABEL.systemdUnit, title: 'Unit' },
          { field: LABEL.slurmJobId, title: 'Slurm job' },
          { field: NODE, title: 'Node', link: toNode('Node') },
          // A single table query has no letter in the name of its value.
          { field: 'Value', title: 'Out of memory', width: 120 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Out-of-memory errors by node',
        description: 'How often a GPU of the node ran out of memory and the driver stopped a VM.',
        empty: 'No GPU ran out of memory in this range.',
        width: 12,
        style: 'bars',
        lines: { [`{{${NODE}}}`]: newsOverTime(ofGpus(METRIC.vmRebindErrors, OOM), []) },
      }),
    )
    .withPanel(
      timeseries({
        title: 'GPU memory used',
        description: 'Used share of the VRAM of the ten GPUs that were fullest in the range.',
        empty: MEMORY_OFF,
        width: 12,
        unit: 'percentunit',
        max: 1,
        lines: { [`{{${NODE}}} {{${LABEL.pciBdf}}}`]: FULLEST },
      }),
    );
}

/** The node dashboard of a row, over the same time. */
function toNode(column: string) {
  const url = `/d/xe-node?var-datasource=\${datasource}&var-${NODE}=\${__data.fields["${column}"]}&\${__url_time_range}`;
  return { title: 'Open the node', url };
}
