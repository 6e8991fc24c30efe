import { DashboardBuilder, DashboardCursorSync } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/telemetry/names.js';
import { outOfMemory, wedged, WORKLOAD_LEGEND } from './annotations.js';
import { TAG, toTheOthers } from './links.js';
import { stat, stateTimeline, table, thresholds, timeseries } from './panels.js';
import {
  countInRange,
  countOverTime,
  GPU,
  lastSeen,
  ofClients,
  ofGpus,
  ofNodes,
  OOM,
  OOM_IN_RANGE,
  orZero,
  perNode,
  PLACE,
  VRAM,
  VRAM_USED_RATIO,
  WATCH_COVERAGE,
  WEDGED_IN_RANGE,
  WORKLOAD,
} from './queries.js';
import { datasource, gpus, namespaces, places } from './variables.js';

const NODE = PLACE.at(-1)!;
const MEMORY_OFF = 'No VRAM is reported: switch the reading of memory on with --memory-interval.';
const CLIENT_MEMORY_OFF =
  'Who holds the memory is not published: switch it on with --client-memory and --memory-interval.';
const NOT_WATCHED = 'Clients are not watched: this needs the watch queue of the driver.';
const NOT_SCRAPED = 'No exporter is scraped.';

const OOM_OF_CLIENTS = ofClients(METRIC.clientVmRebindErrors, OOM);
const HELD = ofClients(METRIC.clientMemoryResident, VRAM);
/** Those who held most at some time in the range. */
const MOST_HELD = `topk(10, ${perNode([LABEL.pciBdf, ...WORKLOAD], `max_over_time(${HELD}[$__range])`)})`;
const WHO = [
  { field: LABEL.k8sNamespace, title: 'Namespace' },
  { field: LABEL.k8sPod, title: 'Pod' },
  { field: LABEL.k8sContainer, title: 'Container' },
  { field: LABEL.systemdUnit, title: 'Unit' },
  { field: LABEL.slurmJobId, title: 'Slurm job' },
  { field: LABEL.pciBdf, title: 'GPU' },
];

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
    .variables([datasource(), ...places(), gpus(), namespaces()])
    .annotations([outOfMemory(), wedged()])
    .withPanel(
      stat({
        title: 'Rebind OOMs in range',
        description: 'How often a GPU ran out of memory and the driver stopped a VM.',
        empty: NOT_SCRAPED,
        width: 6,
        query: OOM_IN_RANGE,
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Wedged',
        description: 'GPUs that the driver gave up in the range. They need a reset or a reboot.',
        empty: NOT_SCRAPED,
        width: 6,
        query: WEDGED_IN_RANGE,
        limits: thresholds(['green', [1, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPU memory used',
        description: 'Used share of the VRAM of the fullest GPU.',
        empty: MEMORY_OFF,
        width: 6,
        unit: 'percentunit',
        query: `max(${VRAM_USED_RATIO})`,
        limits: thresholds(['green', [0.85, 'yellow'], [0.95, 'red']]),
      }),
    )
    .withPanel(
      stat({
        title: 'Watch coverage',
        description: 'Share of the GPU clients that are watched. Errors of the others have no victim.',
        empty: NOT_WATCHED,
        width: 6,
        unit: 'percentunit',
        query: WATCH_COVERAGE,
        limits: thresholds(['red', [0.8, 'yellow'], [0.95, 'green']]),
      }),
    )
    .withPanel(
      table({
        title: 'Pods that ran out of GPU memory',
        description: 'Whose VM the driver stopped, how often in the range, and when last.',
        empty: 'No pod ran out of GPU memory in this range.',
        width: 14,
        queries: [
          `${countInRange(OOM_OF_CLIENTS, [LABEL.pciBdf, LABEL.errno, ...WORKLOAD])} > 0`,
          lastSeen(OOM_OF_CLIENTS, [LABEL.pciBdf, LABEL.errno, ...WORKLOAD]),
        ],
        columns: [
          ...WHO,
          { field: LABEL.errno, title: 'Error' },
          { field: 'Value #A', title: 'Count' },
          { field: 'Value #B', title: 'Last seen', unit: 'dateTimeAsIso' },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Who held the memory',
        description: 'The ten that held most VRAM: the most in the range, and now.',
        empty: CLIENT_MEMORY_OFF,
        width: 10,
        queries: [MOST_HELD, `${perNode([LABEL.pciBdf, ...WORKLOAD], HELD)} and ${MOST_HELD}`],
        columns: [
          ...WHO.filter(({ field }) => field !== LABEL.k8sContainer),
          { field: 'Value #A', title: 'Most', unit: 'bytes' },
          { field: 'Value #B', title: 'Now', unit: 'bytes' },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'GPU memory by pod',
        description:
          'VRAM that each pod held. The red marks are out-of-memory errors: point at one to see whom it hit.',
        empty: CLIENT_MEMORY_OFF,
        width: 24,
        height: 10,
        unit: 'bytes',
        style: 'stacked',
        lines: {
          [`${WORKLOAD_LEGEND} on {{${LABEL.pciBdf}}}`]: perNode([LABEL.pciBdf, ...WORKLOAD], HELD),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'GPU memory used and there',
        description: 'VRAM of each GPU, as its driver counts it.',
        empty: MEMORY_OFF,
        width: 12,
        unit: 'bytes',
        lines: {
          [`{{${LABEL.pciBdf}}} used`]: perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemoryUsed, VRAM)),
          [`{{${LABEL.pciBdf}}} size`]: perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemorySize, VRAM)),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Rebind errors',
        description: 'Out of memory (ENOMEM, ENOSPC), time-outs of the GPU (ETIME) and others.',
        empty: NOT_SCRAPED,
        width: 12,
        style: 'bars',
        lines: {
          [`{{${LABEL.pciBdf}}} {{${LABEL.errno}}}`]: countOverTime(ofGpus(METRIC.vmRebindErrors), [
            LABEL.pciBdf,
            LABEL.errno,
          ]),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'What became of the jobs',
        description: 'A minute after each out-of-memory error: the client exited, failed again, or lives on.',
        empty: NOT_SCRAPED,
        width: 12,
        style: 'bars',
        lines: {
          [`{{${LABEL.outcome}}}`]: countOverTime(ofGpus(METRIC.vmRebindOomOutcomes), [LABEL.outcome]),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Clients',
        description: 'GPU clients that are open, and those of them that are watched.',
        empty: NOT_WATCHED,
        width: 12,
        lines: {
          [`{{${LABEL.pciBdf}}} open`]: perNode([LABEL.pciBdf], ofGpus(METRIC.clients)),
          [`{{${LABEL.pciBdf}}} watched`]: perNode([LABEL.pciBdf], ofGpus(METRIC.clientsWatched)),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Resets, time-outs and hardware errors',
        description: 'Told by the kernel log: all stay at 0 where --kmsg is off.',
        empty: NOT_SCRAPED,
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
      stateTimeline({
        title: 'Wedged GPUs',
        description: 'Whether the driver gave the GPU up.',
        empty: NOT_SCRAPED,
        width: 12,
        states: ['well', 'wedged'],
        bad: 1,
        lines: {
          [`{{${NODE}}} {{${LABEL.pciBdf}}}`]: `max by (${GPU.join(', ')}) (${ofGpus(METRIC.deviceWedged)})`,
        },
      }),
    )
    .withPanel(
      stateTimeline({
        title: 'Event sources',
        description: 'Whether the exporter hears its sources. What happens while one is down is not counted.',
        empty: NOT_SCRAPED,
        width: 24,
        height: 6,
        states: ['down', 'up'],
        bad: 0,
        lines: { [`{{${NODE}}} {{${LABEL.source}}}`]: perNode([LABEL.source], ofNodes(METRIC.sourceUp)) },
      }),
    );
}

function totalOverTime(metric: string): string {
  return orZero(`sum(increase(${ofGpus(metric)}[$__rate_interval]))`);
}
