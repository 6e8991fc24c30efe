import { DashboardBuilder, DashboardCursorSync } from '@grafana/grafana-foundation-sdk/dashboard';
import { EVENT_METRIC } from '../../exporter/events/index.js';
import { LABEL, METRIC, type ClientFault, type DeviceHealthState } from '../../exporter/names.js';
import { wedged } from './annotations.js';
import { TAG, toTheOthers } from './links.js';
import { stat, stateTimeline, thresholds, timeseries } from './panels.js';
import {
  countInRange,
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
  perNode,
  VRAM,
  VRAM_USED_RATIO,
  WATCH_COVERAGE,
  WEDGED,
  withModel,
  WORKLOAD,
} from './queries.js';
import { table } from './table.js';
import { MEMORY_OFF, NOT_SCRAPED, outOfMemoryErrors } from './tiles.js';
import { datasource, gpus, namespaces, oneNode } from './variables.js';

const MOVES_UNKNOWN = 'No evictions are known. Switch them on with --trace-evictions.';
const RAS_UNKNOWN = 'No counters are known. Switch them on with --ras-interval, where GPU and kernel have them.';
const CLIENT_MEMORY_OFF = 'Memory by job is off. Switch it on with --client-memory and --memory-interval.';
const NOT_WATCHED = 'Clients are not watched: this needs the watch queue of the driver.';

const OOM_OF_CLIENTS = ofClients(METRIC.clientVmRebindErrors, OOM);
const LAST_OOM = ofClients(METRIC.clientVmRebindErrorLastTimestamp, OOM);
const HELD = ofClients(METRIC.clientMemoryResident, VRAM);
const HELD_BY_ALL = perNode([LABEL.pciBdf], ofGpus(METRIC.clientMemoryResident, VRAM));
const USED = perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemoryUsed, VRAM));
const SIZE = perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemorySize, VRAM));
const WHO = [
  { field: JOB, title: 'Job' },
  { field: LABEL.pciBdf, title: 'GPU', width: 110 },
];
const PER_WORKLOAD = [LABEL.pciBdf, ...WORKLOAD];
/** Those who held most at some time in the range. */
const MOST_HELD = `topk(10, ${perNode(PER_WORKLOAD, `max_over_time(${HELD}[$__range])`)})`;
/** Who held how much of a GPU when it last ran out of memory, if that was in the range. */
const HELD_AT_OOM = `(${perNode(PER_WORKLOAD, ofClients(METRIC.clientMemoryAtOom, VRAM))} > 0 and on (${GPU.join(', ')}) ${lastTime(ofGpus(METRIC.vmRebindErrorLastTimestamp), [LABEL.pciBdf])})`;
/** Names of lines that stand beside those of jobs. */
const [NOT_ATTRIBUTED, ALL_USED, GPU_SIZE] = ['not attributed', 'used in total', 'size of the GPU'] as const;
const GREY = '#808080';

/** Errno classes in the words of somebody who does not know the driver. */
const ERRNO_WORDS = {
  ENOMEM: 'out of memory (ENOMEM)',
  ENOSPC: 'out of memory (ENOSPC)',
  ETIME: 'GPU did not answer (ETIME)',
  EBUSY: 'host memory busy (EBUSY)',
  other: 'other error',
};

/** What can happen to a job beside a memory error. */
const FAULT_WORDS: Readonly<Record<ClientFault, { text: string; color: string }>> = {
  vm_kill: { text: 'GPU context killed by the driver', color: 'text' },
  job_timeout: { text: 'timeout', color: 'text' },
  engine_reset: { text: 'engine reset', color: 'text' },
  memory_cat_error: { text: 'access to an unmapped address', color: 'text' },
  page_fault: { text: 'page fault', color: 'text' },
};

/** States of health, the best first, in words and colours. */
const HEALTH_STATES: readonly (readonly [state: DeviceHealthState, text: string, color: string])[] = [
  ['ok', 'OK', 'green'],
  ['unknown', 'unknown', GREY],
  ['recovering', 'recovering', 'yellow'],
  ['faulting', 'faulting', 'orange'],
  ['unrecovered', 'unrecovered', 'red'],
  ['survivability', 'survivability mode', 'red'],
  ['wedged', 'wedged', 'red'],
  ['lost', 'lost', 'red'],
];

/** The state of each GPU as its place in the list above. */
const HEALTH = largest(
  [LABEL.pciBdf],
  HEALTH_STATES.map(
    ([state], place) => `${place} * (${ofGpus(METRIC.deviceHealth, `${LABEL.state}="${state}"`)} == 1)`,
  ).join(' or '),
);

/** A single event should be seen: bars are at least this wide in time. */
const BAR_INTERVAL = '1m';

/** Each out-of-memory error of a GPU, as a dot where its memory ends. */
const RAN_OUT = `${newsOverTime(OOM_OF_CLIENTS, PER_WORKLOAD)} * 0 + on (${GPU.join(', ')}) group_left () ${SIZE}`;

/** Who ran out of GPU memory, when, and who held it: from top to bottom. */
export function nodeDashboard(): DashboardBuilder {
  return new DashboardBuilder('xe GPUs: node')
    .uid('xe-node')
    .description('Which job ran out of GPU memory, when, and who held the memory.')
    .tags([TAG])
    .link(toTheOthers())
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([datasource(), ...oneNode(), gpus(), namespaces()])
    .annotations([wedged()])
    .withPanel(outOfMemoryErrors(5))
    .withPanel(
      stat({
        title: 'Last GPU memory error',
        description: 'When a VM rebind error last happened on a GPU of this node.',
        empty: 'None in range.',
        width: 5,
        unit: 'dateTimeFromNow',
        query: `max(${lastTime(ofGpus(METRIC.vmRebindErrorLastTimestamp), [LABEL.pciBdf])})`,
        limits: thresholds(['text']),
      }),
    )
    .withPanel(
      stat({
        title: 'Fullest GPU now',
        description: 'Used share of VRAM of the GPU with least room, read every --memory-interval.',
        empty: 'Not read.',
        width: 5,
        unit: 'percentunit',
        decimals: 1,
        legend: `{{${LABEL.pciBdf}}}`,
        query: `topk(1, ${VRAM_USED_RATIO})`,
        limits: thresholds(['text', [0.95, 'orange']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPU clients watched now',
        description: 'Share of the GPU clients whose errors name a victim.',
        empty: 'Not watched.',
        width: 5,
        unit: 'percentunit',
        query: WATCH_COVERAGE,
        limits: thresholds(['orange', [0.95, 'text']]),
      }),
    )
    .withPanel(
      stat({
        title: 'GPUs wedged now',
        description: 'GPUs that the driver has declared dead. They need a rebind, a reset or a reboot.',
        empty: NOT_SCRAPED,
        width: 4,
        query: orZero(`sum(${largest([LABEL.pciBdf], WEDGED)})`),
        limits: thresholds(['text', [1, 'red']]),
      }),
    )
    .withPanel(
      table({
        title: 'Who ran out of GPU memory, and when',
        description: 'The jobs whose GPU context the driver killed, when last, and how often in the range.',
        empty: 'No job is known to have run out of GPU memory in this range.',
        width: 12,
        sortedBy: 'Last time',
        queries: [
          named(lastTime(LAST_OOM, PER_WORKLOAD)),
          named(`(${countInRange(OOM_OF_CLIENTS, PER_WORKLOAD)} > 0)`),
        ],
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
        description:
          'The ten jobs that held most VRAM at some time in the range, what each held when its GPU last ran out of memory, and what they hold now.',
        empty: CLIENT_MEMORY_OFF,
        width: 12,
        sortedBy: 'Peak',
        queries: [named(MOST_HELD), named(`(${perNode(PER_WORKLOAD, HELD)} and ${MOST_HELD})`), named(HELD_AT_OOM)],
        columns: [
          { field: 'Value #A', title: 'Peak', unit: 'bytes', width: 85 },
          ...WHO,
          { field: 'Value #C', title: 'At last error', unit: 'bytes', width: 100 },
          { field: 'Value #B', title: 'Now', unit: 'bytes', width: 80 },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'GPUs',
        description: 'Every GPU of the node: what it is, how full it is now, and when it last had a memory error.',
        empty: NOT_SCRAPED,
        width: 24,
        height: 5,
        sortedBy: 'Used',
        queries: [
          withModel(`(${largest([LABEL.pciBdf], WEDGED)})`),
          withModel(`(${VRAM_USED_RATIO})`),
          withModel(`(${SIZE})`),
          withModel(`(${lastTime(ofGpus(METRIC.vmRebindErrorLastTimestamp), [LABEL.pciBdf])})`),
          withModel(`(${largest([LABEL.pciBdf], ofGpus(METRIC.deviceRuntimeSuspended))})`),
        ],
        columns: [
          { field: LABEL.pciBdf, title: 'GPU', width: 120 },
          { field: LABEL.model, title: 'Model' },
          { field: LABEL.card, title: 'Card', width: 80 },
          {
            field: 'Value #A',
            title: 'State',
            width: 90,
            words: { '0': { text: 'OK', color: 'text' }, '1': { text: 'wedged', color: 'red' } },
          },
          {
            field: 'Value #E',
            title: 'Power',
            width: 80,
            words: { '0': { text: 'awake', color: 'text' }, '1': { text: 'asleep', color: 'text' } },
          },
          { field: 'Value #B', title: 'Used', unit: 'percentunit', decimals: 1, bar: true },
          { field: 'Value #C', title: 'VRAM', unit: 'bytes', width: 100 },
          { field: 'Value #D', title: 'Last memory error', unit: 'dateTimeFromNow', width: 150 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: `Who held the memory of $${LABEL.pciBdf} (jobs: $namespace)`,
        description:
          'VRAM by job (with --client-memory), stacked up to what the driver counts for the whole GPU. Red dots are out-of-memory errors, with the job each one hit.',
        empty: MEMORY_OFF,
        width: 24,
        height: 10,
        unit: 'bytes',
        style: 'stacked',
        repeatedFor: LABEL.pciBdf,
        lines: {
          [`{{${JOB}}}`]: named(perNode(PER_WORKLOAD, HELD)),
          [NOT_ATTRIBUTED]: `clamp_min(${USED} - ${HELD_BY_ALL}, 0)`,
          [ALL_USED]: USED,
          [GPU_SIZE]: SIZE,
          [`{{${JOB}}} ran out`]: named(RAN_OUT),
        },
        dots: { '/ ran out$/': 'red' },
        colours: { [NOT_ATTRIBUTED]: GREY },
        limits: { [ALL_USED]: 'text', [GPU_SIZE]: 'red' },
      }),
    )
    .withPanel(
      timeseries({
        title: 'GPU memory errors by cause (all jobs)',
        description: 'VM rebind errors of the driver: each one cost a job its GPU context.',
        empty: 'No VM rebind error in this range.',
        width: 12,
        style: 'bars',
        interval: BAR_INTERVAL,
        lines: { [`{{${LABEL.errno}}}`]: newsOverTime(ofGpus(METRIC.vmRebindErrors), [LABEL.errno]) },
        colours: { ENOMEM: 'red', ENOSPC: 'orange', ETIME: 'purple', EBUSY: 'blue' },
        words: ERRNO_WORDS,
      }),
    )
    .withPanel(
      timeseries({
        title: 'What happened to the jobs that ran out (all jobs)',
        description:
          'After each out-of-memory error: the client exited, failed again (repeated), or was still there a minute later (survived).',
        empty: 'No out-of-memory error in this range has an outcome yet.',
        width: 12,
        style: 'bars',
        interval: BAR_INTERVAL,
        lines: {
          [`{{${LABEL.outcome}}}`]: newsOverTime(ofGpus(METRIC.vmRebindOomOutcomes), [LABEL.outcome]),
        },
        colours: { exited: 'red', repeated: 'orange', survived: 'blue', unknown: 'text' },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Resets, timeouts and hardware errors',
        description: 'From the kernel log: empty where --kmsg is off.',
        empty: 'None in this range.',
        width: 12,
        style: 'bars',
        interval: BAR_INTERVAL,
        lines: Object.fromEntries(DEVICE_EVENTS.map(([name, metric]) => [name, newsOverTime(ofGpus(metric), [])])),
        colours: Object.fromEntries(DEVICE_EVENTS.map(([name, , colour]) => [name, colour])),
      }),
    )
    .withPanel(
      table({
        title: 'Hardware and driver errors by kind',
        description: 'How often each happened in the range, with the kinds that are too rare for a graph.',
        empty: 'None in this range.',
        width: 12,
        sortedBy: 'Times',
        queries: [
          ERRORS.map(([kind, series]) => `label_replace(${countedBy(series)} > 0, "${KIND}", "${kind}", "", "")`).join(
            ' or ',
          ),
        ],
        columns: [
          { field: KIND, title: 'What' },
          { field: LABEL.pciBdf, title: 'GPU', width: 110 },
          { field: 'Value', title: 'Times', width: 80 },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Whose jobs hung, faulted or were stopped',
        description:
          "By job and GPU. Job timeouts name their process in the kernel log, the others are named by the driver's trace. One hang can be a timeout and a reset.",
        empty: 'No job is known to have hung or faulted in this range.',
        width: 24,
        height: 6,
        sortedBy: 'Times',
        queries: [named(`(${countInRange(ofClients(METRIC.clientFaults), [LABEL.fault, ...PER_WORKLOAD])} > 0)`)],
        columns: [
          ...WHO,
          { field: LABEL.fault, title: 'What', width: 240, words: FAULT_WORDS },
          { field: 'Value', title: 'Times', width: 80 },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Host memory mapped for the GPU (gtt)',
        description: 'Where buffers go when they are evicted from VRAM. When host memory runs out, so does the GPU.',
        empty: MEMORY_OFF,
        width: 8,
        unit: 'bytes',
        lines: {
          [`{{${LABEL.pciBdf}}}`]: perNode([LABEL.pciBdf], ofGpus(METRIC.deviceMemoryUsed, `${LABEL.region}="gtt"`)),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Memory moved out of and back into VRAM',
        description:
          'By the driver, when jobs need more VRAM than there is. Both high at once: jobs push one another out, are slow, and may fail. Read from the trace of the driver every --memory-interval.',
        empty: MOVES_UNKNOWN,
        width: 8,
        unit: 'Bps',
        lines: {
          [`{{${LABEL.pciBdf}}} evicted`]: perNode(
            [LABEL.pciBdf],
            `rate(${ofGpus(METRIC.deviceEvictedBytes)}[$__rate_interval])`,
          ),
          [`{{${LABEL.pciBdf}}} restored`]: perNode(
            [LABEL.pciBdf],
            `rate(${ofGpus(METRIC.deviceRestoredBytes)}[$__rate_interval])`,
          ),
        },
      }),
    )
    .withPanel(
      timeseries({
        title: 'Hardware errors by component',
        description:
          'What the driver has counted since it was bound. Read every --ras-interval; only some server GPUs and new kernels have these counters.',
        empty: RAS_UNKNOWN,
        width: 8,
        lines: {
          [`{{${LABEL.pciBdf}}} {{${LABEL.component}}} {{${LABEL.severity}}}`]: largest(
            [LABEL.pciBdf, LABEL.component, LABEL.severity],
            ofGpus(METRIC.deviceRasErrors),
          ),
        },
      }),
    )
    .withPanel(
      stateTimeline({
        title: 'GPU state',
        description:
          'Whether each GPU is fit for work. GET /devices of the exporter says what began a state and what to do.',
        empty: NOT_SCRAPED,
        width: 8,
        height: 6,
        states: HEALTH_STATES.map(([, text, color]) => [text, color]),
        lines: { [`{{${LABEL.pciBdf}}}`]: HEALTH },
      }),
    )
    .withPanel(
      stateTimeline({
        title: 'Event sources',
        description: 'What happens while a source is down is not counted.',
        empty: NOT_SCRAPED,
        width: 8,
        height: 6,
        states: [
          ['down', 'red'],
          ['up', 'green'],
        ],
        lines: { [`{{${LABEL.source}}}`]: largest([LABEL.source], ofNodes(METRIC.sourceUp)) },
      }),
    )
    .withPanel(
      timeseries({
        title: 'GPU clients',
        description: 'Open files of the GPU, and how many of them are not watched: errors of those name no victim.',
        empty: NOT_WATCHED,
        width: 8,
        height: 6,
        lines: {
          [`{{${LABEL.pciBdf}}} open`]: perNode([LABEL.pciBdf], ofGpus(METRIC.clients)),
          [`{{${LABEL.pciBdf}}} not watched`]: `${perNode([LABEL.pciBdf], ofGpus(METRIC.clients))} - ${perNode([LABEL.pciBdf], ofGpus(METRIC.clientsWatched))}`,
        },
      }),
    );
}

/** What a GPU does wrong beside rebind errors, and its colour: the graver the redder, and nothing green. */
const DEVICE_EVENTS: readonly (readonly [name: string, metric: string, colour: string])[] = [
  ['engine resets', EVENT_METRIC.engineReset, 'yellow'],
  ['GT resets', EVENT_METRIC.gtReset, 'dark-orange'],
  ['job timeouts', EVENT_METRIC.jobTimeout, 'orange'],
  ['page faults', EVENT_METRIC.pageFault, 'purple'],
  ['memory CAT errors', EVENT_METRIC.memoryCatError, 'dark-purple'],
  ['GuC load failures', EVENT_METRIC.gucLoadFailure, 'dark-red'],
  ['hardware errors', EVENT_METRIC.hardwareError, 'red'],
  ['coredumps', EVENT_METRIC.deviceCoredump, 'blue'],
  ['other driver errors', EVENT_METRIC.kernelLogError, GREY],
];

/** Label of the kind of an error. */
const KIND = 'kind';

/** Everything that the driver or the hardware complains about beside rebind errors, in words. */
const ERRORS: readonly (readonly [kind: string, series: string])[] = [
  ['GPU wedged', ofGpus(EVENT_METRIC.deviceWedged)],
  ['driver did not start', ofGpus(EVENT_METRIC.deviceProbeFailed)],
  ['PCI error', ofGpus(EVENT_METRIC.pciError)],
  ['hardware error, not corrected', ofGpus(EVENT_METRIC.hardwareError, `${LABEL.severity}!="corrected"`)],
  ['hardware error, corrected', ofGpus(EVENT_METRIC.hardwareError, `${LABEL.severity}="corrected"`)],
  ['GuC load failure', ofGpus(EVENT_METRIC.gucLoadFailure)],
  ['GT reset requested', ofGpus(EVENT_METRIC.gtResetAttempt)],
  ['GT reset started', ofGpus(EVENT_METRIC.gtReset)],
  ['GT reset completed', ofGpus(EVENT_METRIC.gtResetCompleted)],
  ['engine reset', ofGpus(EVENT_METRIC.engineReset)],
  ['job timeout', ofGpus(EVENT_METRIC.jobTimeout)],
  ['coredump', ofGpus(EVENT_METRIC.deviceCoredump)],
  ['page fault', ofGpus(EVENT_METRIC.pageFault)],
  ['memory CAT error', ofGpus(EVENT_METRIC.memoryCatError)],
  // The kernel does not say of which GPU.
  ['failed eviction to host memory', ofNodes(EVENT_METRIC.ttmOutOfMemory)],
  ['display error', ofGpus(EVENT_METRIC.displayError)],
  ['other driver error', ofGpus(EVENT_METRIC.kernelLogError)],
];

/** How often the events of a series happened on each GPU. */
function countedBy(series: string): string {
  return countInRange(series, series.includes(LABEL.pciBdf) ? [LABEL.pciBdf] : []);
}
