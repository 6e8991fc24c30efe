import { DEFAULT_PORT, KERNEL_EVENTS, WORKLOAD_LABELS } from '../names.js';
import { parseOomAction } from './oom-action.js';
import {
  parseBytes,
  parseChoice,
  parseDuration,
  parseEndpoint,
  parseErrno,
  parseFilePath,
  parseGrafanaUrl,
  parseInteger,
  parseInterval,
  parseListenAddress,
  parseNodeName,
  parseNumber,
  parsePath,
  parsePciAddress,
  parseSwitch,
  type Parser,
} from './parsers.js';

/** The commands and their summaries, in the order of `--help`. */
export const COMMANDS = {
  serve: 'Run the exporter: watch the xe devices of this node, serve /metrics, send log events over OTLP.',
  watch: 'Print xe device events to the terminal as they happen.',
  doctor: 'Check what works on this node, and say how to fix what does not.',
  health: 'Say whether the GPUs of this node are fit for work: exit code 0 fit, 1 unfit, 2 unknown.',
  bundle:
    'Pack what a bug report needs into one archive: doctor, metrics, events, kernel log, versions, configuration.',
  run: 'Run a job, and signal, end or restart it when it runs out of GPU memory.',
  demo: 'Run the exporter on a simulated node; needs no GPU, no kernel support and no privileges.',
} as const;
export type CommandName = keyof typeof COMMANDS;

/** Runs when no command is given. */
export const DEFAULT_COMMAND: CommandName = 'serve';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LEVELS)[number];

/** Of a source: used where the node has it. */
const SWITCHABLE = ['auto', 'off'] as const;

/** What the simulated kernel has. */
const DEMO_KERNELS = ['watch_queue', 'stock'] as const;
export type DemoKernel = (typeof DEMO_KERNELS)[number];

/** Which sources are wanted. */
const MODES = ['auto', 'watch_queue', 'fallback'] as const;

/** One option: flag, variable, file key, help text, README row, Config field and check all come from its entry. */
export interface Option {
  /** Without dashes. The variable is derived from it, see {@link environmentName}. */
  readonly flag: string;
  /** `switch` takes no value on the command line (and has `--no-<flag>`); `list` may be given repeatedly. */
  readonly kind: 'value' | 'switch' | 'list';
  readonly commands: readonly CommandName[];
  /** As a user would write it; undefined = not set. Lists have none: they start empty. */
  readonly default: string | undefined;
  /** The form or unit of the value, as help shows it. */
  readonly unit: string;
  readonly help: string;
  readonly parse: Parser<unknown>;
  /** The value may hold a secret: it is never printed, not even when it is invalid. */
  readonly sensitive?: true;
  /** Not accepted in the configuration file. */
  readonly notInFile?: true;
}

/** `run` stands for a job: it has no configuration but its own, and no log. */
const ALL = (Object.keys(COMMANDS) as CommandName[]).filter((name) => name !== 'run');

export const OPTIONS = {
  configFile: {
    flag: 'config',
    kind: 'value',
    commands: ALL,
    default: undefined,
    unit: 'path',
    help: 'YAML file of options, by key. Flags override environment variables, which override the file.',
    parse: parseFilePath,
    notInFile: true,
  },
  listenAddress: {
    flag: 'listen-address',
    kind: 'value',
    commands: ['serve', 'demo', 'health', 'bundle'],
    default: `:${DEFAULT_PORT}`,
    unit: 'host:port',
    help: 'Address to serve HTTP on: ":port" for all interfaces, "host:port" or "[IPv6 address]:port". Port 0 picks a free port.',
    parse: parseListenAddress,
  },
  mode: {
    flag: 'mode',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: 'auto',
    unit: MODES.join('|'),
    help: 'Event sources to use. auto: all that this node has, counting each incident once. watch_queue: only the xe watch queue. fallback: all but the watch queue.',
    parse: parseChoice(MODES),
  },
  webConfigFile: {
    flag: 'web-config-file',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle', 'demo'],
    default: undefined,
    unit: 'path',
    help: 'TLS, client certificates and basic authentication, in the web configuration format of Prometheus exporters. Reloaded when it changes. Applies to every path, including /healthz and /readyz: see --health-address.',
    parse: parseFilePath,
  },
  healthAddress: {
    flag: 'health-address',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: 'host:port',
    help: 'Also serve /healthz and /readyz on this address, over plain HTTP without authentication. Meant for Kubernetes probes when --web-config-file is set.',
    parse: parseListenAddress,
  },
  xeWatchIoctl: {
    flag: 'xe-watch-ioctl',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle', 'run'],
    default: 'auto',
    unit: 'auto|off|0x0f|0x10|0x11',
    help: 'Number of the xe watch ioctl, which differs between revisions of the kernel series. auto finds it with a harmless probe; off disables the watch queue.',
    parse: parseChoice(['auto', 'off', '0x0f', '0x10', '0x11']),
  },
  kmsg: {
    flag: 'kmsg',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: 'auto',
    unit: SWITCHABLE.join('|'),
    help: 'Read the kernel log: /dev/kmsg, or syslog(2) if the exporter may not open it.',
    parse: parseChoice(SWITCHABLE),
  },
  kmsgSinceBoot: {
    flag: 'kmsg-since-boot',
    kind: 'switch',
    commands: ['serve', 'watch'],
    default: 'false',
    unit: 'true|false',
    help: 'Start with the oldest line the kernel still has instead of now. Those lines are counted again each time the exporter starts.',
    parse: parseSwitch,
  },
  uevent: {
    flag: 'uevent',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: 'auto',
    unit: SWITCHABLE.join('|'),
    help: 'Listen to kernel uevents: wedged devices, coredumps, driver bind and unbind.',
    parse: parseChoice(SWITCHABLE),
  },
  coredumpDir: {
    flag: 'coredump-dir',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle'],
    default: undefined,
    unit: 'path',
    help: 'Copy each device coredump to this folder while the kernel keeps it, for an hour. Copies are readable by this user only, and the oldest make room for new ones. Needs uid 0 or CAP_DAC_READ_SEARCH.',
    parse: parsePath,
  },
  coredumpMaxBytes: {
    flag: 'coredump-max-bytes',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle'],
    default: '1GiB',
    unit: 'size',
    help: 'Most bytes in --coredump-dir, 4MiB to 1024GiB. A single copy has at most a quarter of it; the end of a larger dump is left out.',
    parse: parseBytes('4MiB', '1024GiB'),
  },
  trace: {
    flag: 'trace',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: 'auto',
    unit: SWITCHABLE.join('|'),
    help: 'Read the trace events of the xe driver, which name the process that lost a GPU VM on kernels without the watch queue. Needs uid 0 and a writable tracefs; creates a tracing instance and one dynamic event of its own there.',
    parse: parseChoice(SWITCHABLE),
  },
  traceEvictions: {
    flag: 'trace-evictions',
    kind: 'switch',
    commands: ['serve'],
    default: 'false',
    unit: 'true|false',
    help: 'Also have the kernel count the memory that the driver evicts and restores, with histogram triggers on a trace event of xe. While they are set, unloading the xe module makes the kernel log a warning: stop the exporter first. Read every --memory-interval.',
    parse: parseSwitch,
  },
  events: {
    flag: 'events',
    kind: 'list',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: [...KERNEL_EVENTS, 'none'].join('|'),
    help: 'Events to request from the kernel; all by default. May be repeated. Read again from the configuration file on SIGHUP.',
    parse: parseChoice([...KERNEL_EVENTS, 'none']),
  },
  discovery: {
    flag: 'discovery',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: 'auto',
    unit: 'auto|debugfs|proc',
    help: 'How to find xe clients. debugfs: as the kernel announces them. proc: by scanning /proc. auto: both, where available.',
    parse: parseChoice(['auto', 'debugfs', 'proc']),
  },
  scanInterval: {
    flag: 'scan-interval',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: '5s',
    unit: 'duration',
    help: 'How often to scan /proc for new xe clients, 250ms to 60m. Events before a client is found are missed. Where debugfs announces clients, /proc is scanned once a minute.',
    parse: parseDuration('250ms', '60m'),
  },
  maxClients: {
    flag: 'max-clients',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: '4096',
    unit: 'count',
    help: 'Maximum number of xe clients to watch at a time, 1 to 65536. Clients beyond it are not watched, and a warning is logged.',
    parse: parseInteger(1, 65_536),
  },
  kubernetes: {
    flag: 'kubernetes',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: 'auto',
    unit: 'auto|api|node|off',
    help: 'Where to get pod names: the Kubernetes API, or the log directories of this node. auto uses what is available.',
    parse: parseChoice(['auto', 'api', 'node', 'off']),
  },
  kubernetesEvents: {
    flag: 'kubernetes-events',
    kind: 'switch',
    commands: ['serve', 'demo', 'doctor', 'bundle'],
    default: 'false',
    unit: 'true|false',
    help: 'Write a Kubernetes Warning event on a pod that runs out of GPU memory (reason XeVMRebindOOM), hangs, faults, or loses its GPU.',
    parse: parseSwitch,
  },
  kubernetesNodeCondition: {
    flag: 'kubernetes-node-condition',
    kind: 'switch',
    commands: ['serve', 'demo', 'doctor', 'bundle'],
    default: 'false',
    unit: 'true|false',
    help: 'Write the Kubernetes condition XeGPUsHealthy of this node, and an event on the node when it changes.',
    parse: parseSwitch,
  },
  nodeName: {
    flag: 'node-name',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: undefined,
    unit: 'name',
    help: 'Name of this node in Kubernetes; defaults to NODE_NAME, then the host name. Only pods of this node are requested.',
    parse: parseNodeName,
  },
  readerQueueBytes: {
    flag: 'reader-queue-bytes',
    kind: 'value',
    commands: ['serve', 'demo', 'watch'],
    default: '4MiB',
    unit: 'size',
    help: 'Size of the queue between each reader thread and JavaScript, 128KiB to 1GiB. Messages that do not fit are dropped and counted.',
    parse: parseBytes('128KiB', '1GiB'),
  },
  otlpEndpoint: {
    flag: 'otlp-endpoint',
    kind: 'value',
    commands: ['serve', 'demo', 'doctor', 'bundle'],
    default: undefined,
    unit: 'URL',
    help: 'Base URL of an OTLP/HTTP collector for log events and, with --otlp-metrics, for metrics. If unset, the standard OTEL_* variables apply.',
    parse: parseEndpoint,
    sensitive: true,
  },
  otlpMetrics: {
    flag: 'otlp-metrics',
    kind: 'switch',
    commands: ['serve', 'demo', 'doctor'],
    default: 'false',
    unit: 'true|false',
    help: 'Also push everything on /metrics to the OTLP collector, every OTEL_METRIC_EXPORT_INTERVAL (60 s by default). Without it, OTEL_METRICS_EXPORTER=otlp does the same.',
    parse: parseSwitch,
  },
  otlpQueueSize: {
    flag: 'otlp-queue-size',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: 'records',
    help: 'Size of the OTLP queue, 1 to 65536; defaults to OTEL_BLRP_MAX_QUEUE_SIZE, then 2048. Records that do not fit are dropped and counted.',
    parse: parseInteger(1, 65_536),
  },
  eventsStdout: {
    flag: 'events-stdout',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'false',
    unit: 'true|false',
    help: 'Also write each log event to standard output, one JSON object per line.',
    parse: parseSwitch,
  },
  eventsHttp: {
    flag: 'events-http',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'true',
    unit: 'true|false',
    help: 'Serve log events on /events and the status page. They contain process and pod names.',
    parse: parseSwitch,
  },
  eventsRingSize: {
    flag: 'events-ring-size',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '1024',
    unit: 'count',
    help: 'Number of log events kept for /events clients that reconnect, 1 to 65536; at most 4 MiB of them.',
    parse: parseInteger(1, 65_536),
  },
  eventsMaxSubscribers: {
    flag: 'events-max-subscribers',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '16',
    unit: 'count',
    help: 'Maximum number of clients streaming /events at a time, 1 to 1024. Others get status 503.',
    parse: parseInteger(1, 1024),
  },
  jobsSocket: {
    flag: 'jobs-socket',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle', 'demo', 'run'],
    default: undefined,
    unit: 'path',
    help: "Unix socket on which GPU jobs hear of their own events, and of nobody else's. Not made by default. run asks it where the kernel has no watch queue, at /run/xe-exporter/jobs.sock unless another one is named.",
    parse: parsePath,
  },
  jobsStateFile: {
    flag: 'jobs-state-file',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle', 'demo'],
    default: undefined,
    unit: 'path',
    help: 'File that keeps for a day why jobs ended, over restarts of the exporter. It is about all jobs: not in a folder that jobs can read.',
    parse: parsePath,
  },
  grafanaUrl: {
    flag: 'grafana-url',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: 'URL',
    help: 'Base URL of the Grafana that has the dashboards. The status page then links to the node dashboard.',
    parse: parseGrafanaUrl,
  },
  includeProcess: {
    flag: 'include-process',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'true',
    unit: 'true|false',
    help: 'Include process id and executable name in log events and on the status page.',
    parse: parseSwitch,
  },
  workloadLabels: {
    flag: 'workload-labels',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: 'kubernetes',
    unit: WORKLOAD_LABELS.join('|'),
    help: 'Labels of per-client series: namespace, pod and container, or, outside Kubernetes, systemd_unit or slurm_job_id.',
    parse: parseChoice(WORKLOAD_LABELS),
  },
  exemplars: {
    flag: 'exemplars',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'false',
    unit: 'true|false',
    help: 'Give the counters of VM rebind errors the id of their last log event as an exemplar, in the OpenMetrics format of /metrics.',
    parse: parseSwitch,
  },
  eventRateLimitPerMinute: {
    flag: 'event-rate-limit-per-minute',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '60',
    unit: 'count',
    help: 'Maximum log events per minute for each client and event name; 0 for no limit. The next event says how many were suppressed. Counters are not limited.',
    parse: parseInteger(0, 1_000_000),
  },
  outcomeWindow: {
    flag: 'outcome-window',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '60s',
    unit: 'duration',
    help: 'How long after an out-of-memory error to wait before reporting what became of the client, 1s to 60m.',
    parse: parseDuration('1s', '60m'),
  },
  clientSeriesRetention: {
    flag: 'client-series-retention',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '15m',
    unit: 'duration',
    help: 'How long to keep the series of a container after its last client has gone, 1s to 1440m.',
    parse: parseDuration('1s', '1440m'),
  },
  memoryInterval: {
    flag: 'memory-interval',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle'],
    default: '30s',
    unit: 'duration|off',
    help: 'How often to read the memory of awake devices, 15s to 60m; off also leaves memory out of log events. A sleeping device is never woken.',
    parse: parseInterval('15s', '60m'),
  },
  rasInterval: {
    flag: 'ras-interval',
    kind: 'value',
    commands: ['serve', 'doctor', 'bundle'],
    default: 'off',
    unit: 'duration|off',
    help: 'How often to read the hardware error counters that the driver keeps for server GPUs (drm-ras of Linux 7.1 and later), 15s to 60m; 5m will do. Needs CAP_NET_ADMIN. A sleeping device is never woken.',
    parse: parseInterval('15s', '60m'),
  },
  clientMemory: {
    flag: 'client-memory',
    kind: 'switch',
    commands: ['serve'],
    default: 'false',
    unit: 'true|false',
    help: 'Also publish how much device memory each container holds.',
    parse: parseSwitch,
  },
  topConsumers: {
    flag: 'top-consumers',
    kind: 'switch',
    commands: ['serve'],
    default: 'false',
    unit: 'true|false',
    help: "Name the largest holders of GPU memory in the log event of an out-of-memory error. This discloses other teams' pod names.",
    parse: parseSwitch,
  },
  demoRate: {
    flag: 'demo-rate',
    kind: 'value',
    commands: ['demo'],
    default: '1',
    unit: 'events/s',
    help: 'Simulated events per second, 0.01 to 1000000.',
    parse: parseNumber(0.01, 1_000_000),
  },
  demoKernel: {
    flag: 'demo-kernel',
    kind: 'value',
    commands: ['demo'],
    default: 'watch_queue',
    unit: DEMO_KERNELS.join('|'),
    help: "Kernel of the simulated node. watch_queue: one with the xe watch-queue series. stock: one as distributions ship it, where the driver's trace names the victim.",
    parse: parseChoice(DEMO_KERNELS),
  },
  demoWedgeEvery: {
    flag: 'demo-wedge-every',
    kind: 'value',
    commands: ['demo'],
    default: 'off',
    unit: 'duration|off',
    help: 'How often the driver gives up (wedges) one of the simulated GPUs, 10s to 60m. It stays wedged for half of that time and is then bound again.',
    parse: parseInterval('10s', '60m'),
  },
  devices: {
    flag: 'device',
    kind: 'list',
    commands: ['watch', 'health'],
    default: undefined,
    unit: 'PCI address',
    help: 'Only this device: show its events (watch), or judge it alone (health). May be repeated.',
    parse: parsePciAddress,
  },
  pids: {
    flag: 'pid',
    kind: 'list',
    commands: ['watch'],
    default: undefined,
    unit: 'pid',
    help: 'Show only events of this process. May be repeated.',
    parse: parseInteger(1, 4_194_304),
  },
  errnos: {
    flag: 'errno',
    kind: 'list',
    commands: ['watch'],
    default: undefined,
    unit: 'errno',
    help: 'Show only events with this error, by name (ENOMEM) or number. May be repeated.',
    parse: parseErrno,
  },
  count: {
    flag: 'count',
    kind: 'value',
    commands: ['watch'],
    default: undefined,
    unit: 'count',
    help: 'Stop after this many events.',
    parse: parseInteger(1, 1_000_000_000),
  },
  json: {
    flag: 'json',
    kind: 'switch',
    commands: ['watch', 'doctor', 'health'],
    default: 'false',
    unit: 'true|false',
    help: 'Print JSON instead of text.',
    parse: parseSwitch,
  },
  output: {
    flag: 'output',
    kind: 'value',
    commands: ['bundle'],
    default: undefined,
    unit: 'path',
    help: 'File to write the bundle to, which must not exist yet; xe-exporter-bundle-<time>.tar.gz by default.',
    parse: parseFilePath,
    notInFile: true,
  },
  redact: {
    flag: 'redact',
    kind: 'switch',
    commands: ['bundle'],
    default: 'false',
    unit: 'true|false',
    help: 'Replace the names of hosts, pods, processes and jobs, the same name by the same word. Secrets are always removed.',
    parse: parseSwitch,
  },
  explainPrivileges: {
    flag: 'explain-privileges',
    kind: 'switch',
    commands: ['doctor'],
    default: 'false',
    unit: 'true|false',
    help: 'Print what each feature needs, why, and what is lost without it. Does not inspect this machine.',
    parse: parseSwitch,
  },
  onOom: {
    flag: 'on-oom',
    kind: 'value',
    commands: ['run'],
    default: 'none',
    unit: 'none|signal:NAME|exit:N|restart',
    help: 'What to do when the job runs out of GPU memory. none: say so. signal: send this signal to the process that lost its VM. exit: end the job and return this exit code. restart: end the job and start it again, with the attempt in XE_EXPORTER_RUN_ATTEMPT and a suggested scale (1, 0.5, 0.25, ...) in XE_EXPORTER_RUN_SCALE.',
    parse: parseOomAction,
    notInFile: true,
  },
  maxRestarts: {
    flag: 'max-restarts',
    kind: 'value',
    commands: ['run'],
    default: '3',
    unit: 'count',
    help: 'How often to start the job again with --on-oom=restart, 0 to 1000. After that, running out of GPU memory ends it with exit code 75.',
    parse: parseInteger(0, 1000),
    notInFile: true,
  },
  restartBackoff: {
    flag: 'restart-backoff',
    kind: 'value',
    commands: ['run'],
    default: '1s',
    unit: 'duration',
    help: 'How long to wait before the first restart, 0s to 1m; twice as long before each further one, up to 1m.',
    parse: parseDuration('0s', '1m'),
    notInFile: true,
  },
  killAfter: {
    flag: 'kill-after',
    kind: 'value',
    commands: ['run'],
    default: '10s',
    unit: 'duration',
    help: 'How long the processes of a job that is being ended have after SIGTERM, 0s to 60m. Those left then get SIGKILL.',
    parse: parseDuration('0s', '60m'),
    notInFile: true,
  },
  shutdownTimeout: {
    flag: 'shutdown-timeout',
    kind: 'value',
    commands: ['serve', 'demo', 'watch'],
    default: '5s',
    unit: 'duration',
    help: 'Maximum time for a shutdown, 100ms to 5m. Queued log events are sent within it; the rest are dropped and counted.',
    parse: parseDuration('100ms', '5m'),
  },
  procRoot: {
    flag: 'path-procfs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle', 'run'],
    default: '/proc',
    unit: 'path',
    help: 'Mount point of procfs.',
    parse: parsePath,
  },
  sysRoot: {
    flag: 'path-sysfs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle', 'run', 'health'],
    default: '/sys',
    unit: 'path',
    help: 'Mount point of sysfs.',
    parse: parsePath,
  },
  debugfsRoot: {
    flag: 'path-debugfs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: '/sys/kernel/debug',
    unit: 'path',
    help: 'Mount point of debugfs; read-only is enough.',
    parse: parsePath,
  },
  tracefsRoot: {
    flag: 'path-tracefs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle'],
    default: '/sys/kernel/tracing',
    unit: 'path',
    help: 'Mount point of tracefs; must be writable.',
    parse: parsePath,
  },
  devRoot: {
    flag: 'path-dev',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor', 'bundle', 'run'],
    default: '/dev',
    unit: 'path',
    help: 'Directory of the device nodes.',
    parse: parsePath,
  },
  logLevel: {
    flag: 'log-level',
    kind: 'value',
    commands: ALL,
    default: 'info',
    unit: LEVELS.join('|'),
    help: 'Minimum severity to log to standard error.',
    parse: parseChoice(LEVELS),
  },
  logFormat: {
    flag: 'log-format',
    kind: 'value',
    commands: ALL,
    default: 'auto',
    unit: 'auto|text|json',
    help: 'Log format; auto means text on a terminal, JSON otherwise.',
    parse: parseChoice(['auto', 'text', 'json']),
  },
} as const satisfies Record<string, Option>;

export type OptionKey = keyof typeof OPTIONS;

type ValueOf<Entry extends Option> =
  Entry['parse'] extends Parser<infer Value>
    ? Entry['kind'] extends 'list'
      ? readonly Value[]
      : Entry['default'] extends string
        ? Value
        : Value | undefined
    : never;

/** What the program runs with: every option, also those of other commands (at their defaults). Durations in ms, sizes in bytes. */
export type Config = { readonly [Key in OptionKey]: ValueOf<(typeof OPTIONS)[Key]> };

/** The environment variable of a flag: `listen-address` is XE_EXPORTER_LISTEN_ADDRESS. */
export function environmentName(flag: string): string {
  return `XE_EXPORTER_${flag.toUpperCase().replaceAll('-', '_')}`;
}

/** The table as pairs, in its own order. */
export const OPTION_LIST = Object.entries(OPTIONS) as readonly (readonly [OptionKey, Option])[];
