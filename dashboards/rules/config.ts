import { RUNBOOK_BASE } from '../../exporter/names.js';

/** A Prometheus duration of one unit: `30s`, `5m`, `1h`, `2d`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

/** Every number and name in the rules that somebody may want to have otherwise. */
export interface RulesConfig {
  /** Which targets are exporters. Change it when your scrape configuration calls the job something else. */
  readonly exporterSelector: string;
  /** Target label that names the node. Change it when your scrape configuration calls it something else, never leave it out: PCI addresses repeat from node to node. */
  readonly nodeLabel: string;
  /** Label that names the cluster, where there are several; where nothing has it, nothing changes. */
  readonly clusterLabel: string;
  /** Where the runbooks lie. Change it to serve your own copies. */
  readonly runbookBase: string;
  /** Where Grafana lies, for the links of the alerts to the dashboards. Empty leaves them relative: `/d/xe-node?...`. */
  readonly grafanaUrl: string;
  /** How often exporters are scraped. Every window below holds four scrapes or more; change both together. */
  readonly scrapeInterval: Duration;
  /** Window over which errors and coredumps raise an alert. Shorter resolves sooner, four scrapes are the least. */
  readonly eventWindow: Duration;
  /** How long those alerts stay after their window. Longer turns errors that come and go into one page. */
  readonly eventKeepFiringFor: Duration;
  readonly repeated: {
    /** Window of the two counts below. */
    readonly window: Duration;
    /** Out-of-memory errors of one device that are more than bad luck. Raise it where over-commitment is a way of life. */
    readonly errors: number;
    /** Jobs lost to them: the client left or failed again. Raise it where many small jobs share a device. */
    readonly lostClients: number;
  };
  /** How long a device counts as wedged after it was last seen so: bridges missed scrapes and restarts of the exporter. */
  readonly wedgedKeepFiringFor: Duration;
  /** How long a GPU has to be unfit for work. Shorter than two minutes pages for resets that end late. */
  readonly unfitFor: Duration;
  /** How long an exporter may be away. Raise it where nodes reboot as a matter of course. */
  readonly exporterDownFor: Duration;
  readonly manyExportersDown: {
    /** Share of the exporters of a cluster that are away at once and somebody is woken for, 0 to 1. */
    readonly share: number;
    /** How many that has to be at least, so that one node of a small cluster does not page. */
    readonly nodes: number;
  };
  /** How long there may be no exporter at all. Raise it where GPU nodes scale to zero. */
  readonly exporterAbsentFor: Duration;
  /** How long an event source may be down. */
  readonly sourceDownFor: Duration;
  /** Window over which a loss of events raises an alert. */
  readonly lossWindow: Duration;
  readonly coverage: {
    /** Share of clients that are watched, 0 to 1. Lower it where processes are out of reach on purpose. */
    readonly ratio: number;
    /** How long it may be lower. Raise it where jobs live for seconds and discovery has to look for them. */
    readonly for: Duration;
  };
  readonly attribution: {
    readonly window: Duration;
    /** Errors without a container within the window. Raise it where processes outside of containers use the GPU. */
    readonly errors: number;
  };
  readonly otlp: {
    readonly window: Duration;
    /** How long records may fail without a pause. Raise it where the collector restarts slowly. */
    readonly for: Duration;
  };
  /** Window over which turned away series are said. */
  readonly cardinalityWindow: Duration;
  readonly memoryThrashing: {
    readonly window: Duration;
    /** How much is moved out of and back into VRAM a second. Raise it where jobs are meant to take turns in the memory. */
    readonly bytesPerSecond: number;
    readonly for: Duration;
  };
  readonly vramNearlyFull: {
    /** Off, because full VRAM is what many jobs plan for: switch it on where it is not. */
    readonly enabled: boolean;
    /** Used share of VRAM, 0 to 1. */
    readonly ratio: number;
    readonly for: Duration;
  };
}

export const DEFAULT_RULES_CONFIG: RulesConfig = {
  exporterSelector: 'job=~".*xe-exporter"',
  nodeLabel: 'node',
  clusterLabel: 'cluster',
  runbookBase: RUNBOOK_BASE,
  grafanaUrl: '',
  scrapeInterval: '30s',
  eventWindow: '5m',
  eventKeepFiringFor: '10m',
  repeated: { window: '15m', errors: 5, lostClients: 3 },
  wedgedKeepFiringFor: '5m',
  unfitFor: '2m',
  exporterDownFor: '5m',
  manyExportersDown: { share: 0.05, nodes: 3 },
  exporterAbsentFor: '10m',
  sourceDownFor: '5m',
  lossWindow: '15m',
  coverage: { ratio: 0.95, for: '15m' },
  attribution: { window: '1h', errors: 3 },
  otlp: { window: '5m', for: '15m' },
  cardinalityWindow: '1h',
  memoryThrashing: { window: '5m', bytesPerSecond: 100 * 1024 ** 2, for: '10m' },
  vramNearlyFull: { enabled: false, ratio: 0.95, for: '15m' },
};

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** @throws RangeError for what is not a duration of one unit */
export function toSeconds(duration: Duration): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(duration) ?? [];
  if (count === undefined) throw new RangeError(`${duration} is not a duration like 30s or 5m`);
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}

/** The window that a slow scrape breaks first: an interval of more than a quarter of it cannot be used. */
export function shortestWindow(config: RulesConfig): Duration {
  const { eventWindow, repeated, lossWindow, attribution, otlp, cardinalityWindow, memoryThrashing } = config;
  const windows = [
    eventWindow,
    repeated.window,
    lossWindow,
    attribution.window,
    otlp.window,
    cardinalityWindow,
    memoryThrashing.window,
  ];
  return windows.reduce((shortest, window) => (toSeconds(window) < toSeconds(shortest) ? window : shortest));
}
