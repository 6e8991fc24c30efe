import { DashboardBuilder, DashboardCursorSync } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { outOfMemory, wedged, WORKLOAD_LEGEND } from './annotations.js';
import { TAG, toTheOthers } from './links.js';
import { stat, stateTimeline, thresholds, timeseries } from './panels.js';
import {
  countInRange,
  GPU,
  lastSeen,
  newsOverTime,
  ofClients,
  ofGpus,
  ofNodes,
  OOM,
  OOM_IN_RANGE,
  perNode,
  VRAM,
  VRAM_USED_RATIO,
  WATCH_COVERAGE,
  WEDGED_IN_RANGE,
  WORKLOAD,
} from './queries.js';
import { table } from './table.js';
import { datasource, gpus, namespaces, oneNode } from './variables.js';

const MEMORY_OFF = 'No VRAM is reported: switch the reading of memory on with --memory-interval.';
const CLIENT_MEMORY_OFF =
  'Who holds the memory is not published: switch it on with --client-memory and --memory-interval.';
const NOT_WATCHED = 'Clients are not watched: this needs the watch queue of the driver.';
const NOT_SCRAPED = 'No exporter is scraped.';

const OOM_OF_CLIENTS = ofClients(METRIC.clientVmRebindErrors, OOM);
const HELD = ofClients(METRIC.clientMemoryResident, VRAM);
const WHO = [
  { field: LABEL.k8sPod, title: 'Pod' },
  { field: LABEL.k8sNamespace, title: 'Namespace', width: 110 },
  { field: LABEL.systemdUnit, title: 'Unit' },
  { field: LABEL.slurmJobId, title: 'Slurm job' },
  { field: LABEL.pciBdf, title: 'GPU', width: 110 },
];
const PER_WORKLOAD = [LABEL.pciBdf, ...WORKLOAD];
/** Those who held most at some time in the range. */
const MOST_HELD = `topk(10, ${perNode(PER_WORKLOAD, `max_over_time(${HELD}[$__range])`)})`;
/** Names of lines that stand beside those of pods. */
const [ALL_USED, SIZE] = ['All that is used', 'Size of the GPU'] as const;

/** Who ran out of GPU memory, when, and who held it: from top to bottom. */
export function nodeDashboard(): DashboardBuilder {
  return new DashboardBuilder('xe GPUs: node')
    .uid('xe-node')
    .description('Which pod ran out of GPU memory, when, and who held the memory.')
    .tags([TAG])
    .link(toTheOthers())
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([datasource(), ...oneNode(), gpus(), namespaces()])
    .annotations([outOfMemory(), wedged()])
    .withPanel(
      stat({
        title: 'Out-of-memory errors in range',
        description: 'How often a GPU ran out of memory and the driver stopped a VM (ENOMEM, ENOSPC).',
        empty: NOT_SCRAPED,
        width: 6,
        query: OOM_IN_RANGE,
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPUs wedged in range',
        description: 'GPUs that the driver gave up. They need a reset or a reboot.',
        empty: NOT_SCRAPED,
        width: 6,
        query: WEDGED_IN_RANGE,
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Memory used of the fullest GPU',
        description: 'Share of its VRAM that is used now, read every --memory-interval.',
        empty: 'Not read.',
        width: 6,
        unit: 'percentunit',
        query: `max(${VRAM_USED_RATIO})`,
        limits: thresholds(['green', [0.85, 'yellow'], [0.95, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPU clients watched',
        description: 'Share of the GPU clients that are watched. Errors of the others have no victim.',
        empty: 'Not watched.',
        width: 6,
        unit: 'percentunit',
        query: WATCH_COVERAGE,
        limits: thresholds(['red', [0.8, 'yellow'], [0.95, 'green']]),
      }),
    )
    .withPanel(
      table({
        title: 'Who ran out of GPU memory, and when',
        description: 'Whose VM the driver stopped, when last, and how often in the range.',
        empty: 'Nobody is known to have run out of GPU memory in this range.',
        width: 12,
        sortedBy: 'Last time',
        queries: [lastSeen(OOM_OF_CLIENTS, PER_WORKLOAD), `${countInRange(OOM_OF_CLIENTS, PER_WORKLOAD)} > 0`],
        columns: [
          { field: 'Value #A', title: 'Last time', unit: 'dateTimeAsIsoNoDateIfToday', width: 150 },
          ...WHO,
          { field: 'Value #B', title: 'Times', width: 65 },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Who held the memory',
        description: 'The ten that held most VRAM at some time in the range, and what they hold now.',
        empty: CLIENT_MEMORY_OFF,
        width: 12,
        sortedBy: 'Held at most',
        queries: [MOST_HELD, `${perNode(PER_WORKLOAD, HELD)} and ${MOST_HELD}`],
        columns: [
          { field: 'Value #A', title: 'Held at most', unit: 'bytes', width: 105 },
          ...WHO,
          { field: 'Value #B', title: 'Holds now', unit: 'bytes', width: 95 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: `Who held the memory of $${LABEL.pciBdf}`,
        description:
          'VRAM that each pod held (with --client-memory), below what the driver counts for the whole GPU. Red marks are out-of-memory errors: point at one to see whom it hit.',
        empty: MEMORY_OFF,
        width: 24,
        height: 10,
        unit: 'bytes',
        style: 'stacked',
        repeatedFor: LABEL.pciBdf,
        lines: {
          [WORKLOAD_LEGEND]: perNode(PER_WORKLOAD, HELD),
          [ALL_USED]: perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemoryUsed, VRAM)),
          [SIZE]: perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemorySize, VRAM)),
        },
        limits: { [ALL_USED]: 'text', [SIZE]: 'red' },
      }),
    )
    .withPanel(
      timeseries({
        title: 'VM rebind errors',
        description: 'Out of memory (ENOMEM, ENOSPC), the GPU did not answer (ETIME), host memory kept moving (EBUSY).',
        empty: 'No VM rebind error in this range.',
        width: 12,
        style: 'bars',
        lines: { [`{{${LABEL.errno}}}`]: newsOverTime(ofGpus(METRIC.vmRebindErrors), [LABEL.errno]) },
        colours: { ENOMEM: 'red', ENOSPC: 'orange', ETIME: 'purple', EBUSY: 'blue' },
      }),
    )
    .withPanel(
      timeseries({
        title: 'What became of those who ran out',
        description:
          'After each out-of-memory error: the client exited, failed again (repeated), or was still there a minute later (survived).',
        empty: 'No out-of-memory error in this range has an outcome yet.',
        width: 12,
        style: 'bars',
        lines: {
          [`{{${LABEL.outcome}}}`]: newsOverTime(ofGpus(METRIC.vmRebindOomOutcomes), [LABEL.outcome]),
        },
        colours: { exited: 'red', repeated: 'orange', survived: 'green', unknown: 'text' },
      }),
    )
    .withPanel(
      stateTimeline({
        title: 'GPU state',
        description: 'Whether the driver gave the GPU up, until it is bound again.',
        empty: NOT_SCRAPED,
        width: 12,
        states: ['well', 'wedged'],
        bad: 1,
        lines: {
          [`{{${LABEL.pciBdf}}}`]: `max by (${GPU.join(', ')}) (${ofGpus(METRIC.deviceWedged)})`,
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Resets, time-outs and hardware errors',
        description: 'Told by the kernel log: there are none where --kmsg is off.',
        empty: 'None in this range.',
        width: 12,
        style: 'bars',
        lines: {
          'Engine resets': totalOverTime(METRIC.engineResets),
          'GT resets': totalOverTime(METRIC.gtResets),
          'Job time-outs': totalOverTime(METRIC.jobTimeouts),
          'Page faults': totalOverTime(METRIC.pageFaultsUnserviced),
          'Memory CAT errors': totalOverTime(METRIC.memoryCatErrors),
          'GuC load failures': totalOverTime(METRIC.gucLoadFailures),
          'Hardware errors': totalOverTime(METRIC.hardwareErrors),
          Coredumps: totalOverTime(METRIC.devcoredumps),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'GPU clients',
        description: 'Open files of the GPU, and how many of them are not watched: errors of those have no victim.',
        empty: NOT_WATCHED,
        width: 12,
        lines: {
          [`{{${LABEL.pciBdf}}} open`]: perNode([LABEL.pciBdf], ofGpus(METRIC.clients)),
          [`{{${LABEL.pciBdf}}} not watched`]: `${perNode([LABEL.pciBdf], ofGpus(METRIC.clients))} - ${perNode([LABEL.pciBdf], ofGpus(METRIC.clientsWatched))}`,
        },
      }),
    )
    .withPanel(
      stateTimeline({
        title: 'Event sources',
        description: 'Whether the exporter hears its sources. What happens while one is down is not counted.',
        empty: NOT_SCRAPED,
        width: 12,
        states: ['down', 'up'],
        bad: 0,
        lines: { [`{{${LABEL.source}}}`]: perNode([LABEL.source], ofNodes(METRIC.sourceUp)) },
      }),
    );
}

function totalOverTime(metric: string): string {
  return newsOverTime(ofGpus(metric), []);
}
