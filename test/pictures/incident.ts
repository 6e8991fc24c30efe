import { LABEL, METRIC, UNATTRIBUTED_SERIES } from '../../exporter/names.js';
import { EVENT, EVENT_METRIC } from '../../exporter/events/index.js';
import type { SeriesShape } from '../bench/fleet/node-shape.js';

const GIB = 2 ** 30;
/** Source of the records on these nodes. */
export const WATCH_QUEUE = 'watch_queue';
/** The GPU that runs out of memory, and the one beside it. */
const [FULL, OTHER] = ['0000:03:00.0', '0000:04:00.0'];

/** Unix time in seconds of the end of every picture. */
export const END = Date.UTC(2026, 10, 27, 15, 0) / 1000;
const at = (clock: string) => {
  const [hour, minute, second = 0] = clock.split(':').map(Number);
  return Date.UTC(2026, 10, 27, hour, minute, second) / 1000;
};

/** What counted up at a moment: every series of these names that has these labels. */
interface Happening {
  readonly time: number;
  readonly metrics: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface Story {
  readonly node: string;
  readonly happenings: readonly Happening[];
  /** Alerts that fired, from and until when. */
  readonly alerts: readonly {
    readonly labels: Record<string, string>;
    readonly from: number;
    readonly until: number;
  }[];
  /** When the driver had given up the GPU beside the full one. */
  readonly wedged?: readonly [from: number, until: number];
  /** When the notebook of a neighbour let go of its memory. */
  readonly hog?: readonly [from: number, full: number, until: number];
}

/**
 * Six nodes of one cluster over six hours. On one of them a fine-tuning job grows from 4 to 8 GiB beside a batch job, which the driver kills
 * three times until the first one writes its checkpoint. Another node lost a GPU before noon and had it back after a rebind; on a third the kernel
 * log alone told of one error, and could not say whose.
 */
export const STORIES: readonly Story[] = [
  { node: 'gpu-01', happenings: [], alerts: [] },
  {
    node: 'gpu-02',
    happenings: outOfMemory('10:14:32', OTHER, 'md-simulation', 'repeated'),
    alerts: [],
  },
  {
    node: 'gpu-03',
    happenings: [
      ...hang('14:12:08', OTHER),
      ...outOfMemory('14:37:00', FULL, 'segmentation-batch', 'exited'),
      ...outOfMemory('14:40:20', FULL, 'segmentation-batch', 'exited'),
      ...outOfMemory('14:44:50', FULL, 'segmentation-batch', 'repeated'),
    ],
    alerts: [
      { labels: { alertname: 'XeVMRebindOOM', severity: 'warning', pci_bdf: FULL }, from: at('14:38'), until: END },
      {
        labels: {
          alertname: 'XeVMRebindOOMPod',
          severity: 'warning',
          pci_bdf: FULL,
          k8s_namespace_name: 'team-vision',
          k8s_pod_name: 'segmentation-batch',
        },
        from: at('14:38'),
        until: END,
      },
    ],
    hog: [at('14:18'), at('14:36'), at('14:46:30')],
  },
  { node: 'gpu-04', happenings: outOfMemory('13:02:41', FULL, UNATTRIBUTED_SERIES, 'unknown'), alerts: [] },
  {
    node: 'gpu-05',
    happenings: [{ time: at('11:31:10'), metrics: [EVENT_METRIC.deviceWedged], labels: { pci_bdf: OTHER } }],
    alerts: [
      {
        labels: { alertname: 'XeDeviceWedged', severity: 'critical', pci_bdf: OTHER },
        from: at('11:32'),
        until: at('12:09'),
      },
    ],
    wedged: [at('11:31:10'), at('12:08')],
  },
  { node: 'gpu-06', happenings: [], alerts: [] },
];

function outOfMemory(clock: string, pciBdf: string, pod: string, outcome: string): Happening[] {
  const time = at(clock);
  const gpu = { [LABEL.pciBdf]: pciBdf };
  const errno = { ...gpu, [LABEL.errno]: 'ENOMEM' };
  return [
    { time, metrics: [METRIC.vmRebindErrors], labels: errno },
    { time, metrics: [METRIC.vmRebindErrorLastTimestamp], labels: gpu },
    {
      time,
      metrics: [METRIC.clientVmRebindErrors, METRIC.clientVmRebindErrorLastTimestamp],
      labels: { ...errno, [LABEL.k8sPod]: pod },
    },
    { time: time + 20, metrics: [METRIC.vmRebindOomOutcomes], labels: { ...gpu, [LABEL.outcome]: outcome } },
    {
      time,
      metrics: [METRIC.eventsReceived],
      labels: { [LABEL.source]: WATCH_QUEUE, [LABEL.event]: EVENT.vmRebindError },
    },
    ...latency(time),
  ];
}

/** A job of the GPU hung: the engine was reset and left a dump. */
function hang(clock: string, pciBdf: string): Happening[] {
  const time = at(clock);
  const { jobTimeout, engineReset, deviceCoredump } = EVENT_METRIC;
  return [
    { time, metrics: [jobTimeout, engineReset, deviceCoredump], labels: { [LABEL.pciBdf]: pciBdf } },
    ...latency(time),
  ];
}

function latency(time: number): Happening[] {
  const metrics = ['_count', '_sum'].map((part) => METRIC.eventLatency + part);
  const buckets = ['0.01', '0.1', '1', '10', '+Inf'].map((le) => ({
    time,
    metrics: [`${METRIC.eventLatency}_bucket`],
    labels: { le },
  }));
  return [{ time, metrics, labels: {} }, ...buckets];
}

/** What a series of a node showed at a time. */
export function valueAt({ name, labels, value }: SeriesShape, story: Story, time: number): number {
  const memory = memoryAt(name, labels, story, time);
  if (memory !== undefined) return memory;
  const own = story.happenings.filter(
    (happening) =>
      happening.time <= time &&
      happening.metrics.includes(name) &&
      Object.entries(happening.labels).every(([label, text]) => labels[label] === text),
  );
  if (/_timestamp_seconds$/.test(name)) return own.at(-1)?.time ?? 0;
  if (name === METRIC.deviceWedged) return Number(isWedged(story, labels, time));
  if (name === METRIC.deviceHealth)
    return Number(labels[LABEL.state] === (isWedged(story, labels, time) ? 'wedged' : 'ok'));
  if (/^process_cpu_/.test(name)) return (time - at('08:00')) * 0.004;
  if (/_(total|bucket|count|sum)$/.test(name)) return own.length * (name.endsWith('_sum') ? 0.004 : 1);
  if (name === 'process_start_time_seconds') return at('07:42');
  if (name === 'process_resident_memory_bytes') return Math.round(76e6 + wave(time, 37, story.node) * 2e6);
  return value;
}

function isWedged({ wedged }: Story, labels: SeriesShape['labels'], time: number): boolean {
  return wedged !== undefined && labels[LABEL.pciBdf] === OTHER && time >= wedged[0] && time < wedged[1];
}

function memoryAt(name: string, labels: SeriesShape['labels'], story: Story, time: number): number | undefined {
  if (labels[LABEL.region] !== 'vram0') return undefined;
  const pods = podsOf(labels[LABEL.pciBdf]!, story, time);
  if (name === METRIC.clientMemoryResident) return Math.round((pods[labels[LABEL.k8sPod]!] ?? 0) * GIB);
  if (name === METRIC.clientMemoryAtOom) {
    const errors = story.happenings.filter(
      (one) =>
        one.metrics.includes(METRIC.clientVmRebindErrors) &&
        one.labels[LABEL.pciBdf] === labels[LABEL.pciBdf] &&
        one.time <= time,
    );
    const last = errors.at(-1);
    const held = last === undefined ? {} : podsOf(labels[LABEL.pciBdf]!, story, last.time - 1);
    return Math.round((held[labels[LABEL.k8sPod]!] ?? 0) * GIB);
  }
  // The driver itself holds a little that belongs to nobody.
  if (name !== METRIC.deviceMemoryUsed) return undefined;
  return Math.round((Object.values(pods).reduce((sum, held) => sum + held, 0) + 0.28) * GIB);
}

/** GiB that each pod held. */
function podsOf(pciBdf: string, story: Story, time: number): Record<string, number> {
  if (isWedged(story, { [LABEL.pciBdf]: pciBdf }, time)) return {};
  const { node, hog, happenings } = story;
  if (pciBdf === OTHER)
    return {
      'llama-finetune-1': 4.4 + wave(time, 23, node) * 0.3,
      'video-analytics': 1.6 + wave(time, 7, node) * 0.2,
      'md-simulation': 3 + wave(time, 41, node) * 0.4,
    };
  const finetune = hog === undefined ? 4 + wave(time, 29, node) * 0.2 : 4 + 4.1 * between(time, hog);
  const killed = happenings
    .filter(({ labels }) => labels[LABEL.k8sPod] === 'segmentation-batch')
    .map((one) => one.time);
  const since = killed.filter((one) => one <= time).at(-1);
  // A pod that was killed starts over: it holds nothing for a minute, and then more and more again.
  const batch = since === undefined ? 1 : Math.min(1, Math.max(0, (time - since - 60) / 150));
  return { 'llama-finetune-0': finetune, 'segmentation-batch': 2.4 * batch, 'notebook-mara': 1.1 };
}

/** How far the hog has grown, 0 to 1, in steps as an allocator makes them. */
function between(time: number, [from, full, until]: readonly [number, number, number]): number {
  if (time < from || time >= until) return 0;
  return Math.min(1, Math.ceil(((time - from) / (full - from)) * 9) / 9);
}

/** -1 to 1, with some minutes between two tops, another on each node. */
function wave(time: number, minutes: number, node: string): number {
  const shift = Number(node.slice(-1));
  const step = Math.floor(time / 180) * 180;
  return Math.sin(step / (minutes * 20) + shift) * Math.cos(step / (minutes * 47) + shift);
}
