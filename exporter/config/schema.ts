import { DEFAULT_PORT, KERNEL_EVENTS, WORKLOAD_LABELS } from '../names.js';
import {
  parseBytes,
  parseChoice,
  parseDuration,
  parseEndpoint,
  parseErrno,
  parseFilePath,
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

/** The commands and what each is for, in the order `--help` lists them. */
export const COMMANDS = {
  serve: 'Run the exporter: watch the xe devices of this node, serve /metrics, send OTLP log events.',
  watch: 'Print xe device events in the terminal as they happen, from whatever sources this node has.',
  doctor: 'Tell what works on this node, what does not, why, and how to fix it.',
  demo: 'Run the whole exporter on simulated events; needs no GPU, no kernel support, no privileges.',
} as const;
export type CommandName = keyof typeof COMMANDS;

/** What runs when no command is named. */
export const DEFAULT_COMMAND: CommandName = 'serve';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LEVELS)[number];

/** A source that is used where the node has it. */
const SWITCHABLE = ['auto', 'off'] as const;

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
  /** The text as given may hold a secret: it is never printed, not even when it is wrong. */
  readonly sensitive?: true;
  /** May not stand in the configuration file. */
  readonly notInFile?: true;
}

const ALL = Object.keys(COMMANDS) as CommandName[];

export const OPTIONS = {
  configFile: {
    flag: 'config',
    kind: 'value',
    commands: ALL,
    default: undefined,
    unit: 'path',
    help: 'YAML file with options by key. Flags win over variables, variables over the file.',
    parse: parseFilePath,
    notInFile: true,
  },
  listenAddress: {
    flag: 'listen-address',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: `:${DEFAULT_PORT}`,
    unit: 'host:port',
    help: 'Where to serve HTTP: ":port" for all interfaces, "host:port" or "[IPv6 address]:port". Port 0 takes a free one.',
    parse: parseListenAddress,
  },
  mode: {
    flag: 'mode',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: MODES.join('|'),
    help: 'Where events come from: auto takes every source this node has, each incident once; watch_queue only the xe watch queue; fallback all but the watch queue.',
    parse: parseChoice(MODES),
  },
  webConfigFile: {
    flag: 'web-config-file',
    kind: 'value',
    commands: ['serve', 'doctor', 'demo'],
    default: undefined,
    unit: 'path',
    help: 'TLS, client certificates and basic authentication, in the web configuration format of Prometheus exporters. Read again when it changes. It covers every path, /healthz and /readyz too: see --health-address.',
    parse: parseFilePath,
  },
  healthAddress: {
    flag: 'health-address',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: 'host:port',
    help: 'Also serve /healthz and /readyz here, and nothing else, in plain HTTP without authentication: for Kubernetes probes beside --web-config-file.',
    parse: parseListenAddress,
  },
  xeWatchIoctl: {
    flag: 'xe-watch-ioctl',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: 'auto|off|0x0f|0x10|0x11',
    help: 'Number of the xe ioctl that places a watch. It differs between kernel revisions; auto finds it with a harmless probe.',
    parse: parseChoice(['auto', 'off', '0x0f', '0x10', '0x11']),
  },
  kmsg: {
    flag: 'kmsg',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: SWITCHABLE.join('|'),
    help: 'Whether to read the kernel log: /dev/kmsg, or syslog(2) where that is closed to the exporter.',
    parse: parseChoice(SWITCHABLE),
  },
  kmsgSinceBoot: {
    flag: 'kmsg-since-boot',
    kind: 'switch',
    commands: ['serve', 'watch'],
    default: 'false',
    unit: 'true|false',
    help: 'Start with the first line that the kernel still has, instead of now. Every start of the exporter counts those lines again.',
    parse: parseSwitch,
  },
  uevent: {
    flag: 'uevent',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: SWITCHABLE.join('|'),
    help: 'Whether to listen to the uevents of the kernel: wedged devices, coredumps, the driver bound and unbound.',
    parse: parseChoice(SWITCHABLE),
  },
  trace: {
    flag: 'trace',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: SWITCHABLE.join('|'),
    help: 'Whether to read the trace of the xe driver, which names the process that lost a GPU VM on kernels without the watch queue. Needs uid 0 and a writable tracefs; writes its own tracing instance and one dynamic event there.',
    parse: parseChoice(SWITCHABLE),
  },
  events: {
    flag: 'events',
    kind: 'list',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: [...KERNEL_EVENTS, 'none'].join('|'),
    help: 'Events the kernel is asked for; all if not given. May be repeated. Taken from the file again on SIGHUP.',
    parse: parseChoice([...KERNEL_EVENTS, 'none']),
  },
  discovery: {
    flag: 'discovery',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: 'auto|debugfs|proc',
    help: 'How xe clients are found: announced by the kernel in debugfs, by looking at /proc, or both as far as they work.',
    parse: parseChoice(['auto', 'debugfs', 'proc']),
  },
  scanInterval: {
    flag: 'scan-interval',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '5s',
    unit: 'duration',
    help: 'How often to look for new xe clients in /proc, 250ms to 60m. An event before the client was found is not seen. Where debugfs announces clients, /proc is looked at once a minute.',
    parse: parseDuration('250ms', '60m'),
  },
  maxClients: {
    flag: 'max-clients',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '4096',
    unit: 'count',
    help: 'Most xe clients to watch at a time, 1 to 65536. Clients beyond it are counted, not watched.',
    parse: parseInteger(1, 65_536),
  },
  kubernetes: {
    flag: 'kubernetes',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: 'auto',
    unit: 'auto|api|node|off',
    help: 'Where the names of pods come from: the Kubernetes API, or the log directories of this node. auto takes what is there.',
    parse: parseChoice(['auto', 'api', 'node', 'off']),
  },
  kubernetesEvents: {
    flag: 'kubernetes-events',
    kind: 'switch',
    commands: ['serve', 'demo', 'doctor'],
    default: 'false',
    unit: 'true|false',
    help: 'Tell the owner of a pod that ran out of GPU memory by a Warning with the reason XeVMRebindOOM among the Events of the pod.',
    parse: parseSwitch,
  },
  nodeName: {
    flag: 'node-name',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: undefined,
    unit: 'name',
    help: 'Name of this node in Kubernetes; NODE_NAME or the host name if not given. Only its pods are asked for.',
    parse: parseNodeName,
  },
  readerQueueBytes: {
    flag: 'reader-queue-bytes',
    kind: 'value',
    commands: ['serve', 'demo', 'watch'],
    default: '4MiB',
    unit: 'size',
    help: 'Bound of the queue between the reader thread and JavaScript, 128KiB to 1GiB. What does not fit is dropped and counted.',
    parse: parseBytes('128KiB', '1GiB'),
  },
  otlpEndpoint: {
    flag: 'otlp-endpoint',
    kind: 'value',
    commands: ['serve', 'demo', 'doctor'],
    default: undefined,
    unit: 'URL',
    help: 'Base URL of an OTLP/HTTP collector for log events. Without it the standard OTEL_* variables decide.',
    parse: parseEndpoint,
    sensitive: true,
  },
  otlpQueueSize: {
    flag: 'otlp-queue-size',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: undefined,
    unit: 'records',
    help: 'Bound of the OTLP queue, 1 to 65536; OTEL_BLRP_MAX_QUEUE_SIZE or 2048 if not given. What does not fit is dropped and counted.',
    parse: parseInteger(1, 65_536),
  },
  eventsStdout: {
    flag: 'events-stdout',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'false',
    unit: 'true|false',
    help: 'Also write each log event to standard output, one JSON object a line.',
    parse: parseSwitch,
  },
  eventsHttp: {
    flag: 'events-http',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'true',
    unit: 'true|false',
    help: 'Serve log events on /events and on the status page. They name processes and pods.',
    parse: parseSwitch,
  },
  eventsRingSize: {
    flag: 'events-ring-size',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '1024',
    unit: 'count',
    help: 'How many of the last log events /events keeps for readers that come back, 1 to 65536; 4 MiB of them at most.',
    parse: parseInteger(1, 65_536),
  },
  eventsMaxSubscribers: {
    flag: 'events-max-subscribers',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '16',
    unit: 'count',
    help: 'Most readers that follow /events at a time, 1 to 1024. Further ones are turned away with status 503.',
    parse: parseInteger(1, 1024),
  },
  includeProcess: {
    flag: 'include-process',
    kind: 'switch',
    commands: ['serve', 'demo'],
    default: 'true',
    unit: 'true|false',
    help: 'Put process id and executable name into log events.',
    parse: parseSwitch,
  },
  workloadLabels: {
    flag: 'workload-labels',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: 'kubernetes',
    unit: WORKLOAD_LABELS.join('|'),
    help: 'What the series of clients are labelled by: namespace, pod and container, or outside Kubernetes systemd_unit or slurm_job_id.',
    parse: parseChoice(WORKLOAD_LABELS),
  },
  eventRateLimitPerMinute: {
    flag: 'event-rate-limit-per-minute',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '60',
    unit: 'count',
    help: 'Most log events a minute for each client and event name, 0 for no limit. The next one says how many were suppressed; counters count all.',
    parse: parseInteger(0, 1_000_000),
  },
  outcomeWindow: {
    flag: 'outcome-window',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '60s',
    unit: 'duration',
    help: 'How long after an out-of-memory error it is decided what became of the client, 1s to 60m.',
    parse: parseDuration('1s', '60m'),
  },
  clientSeriesRetention: {
    flag: 'client-series-retention',
    kind: 'value',
    commands: ['serve', 'demo'],
    default: '15m',
    unit: 'duration',
    help: 'How long the series of a container stay on /metrics after its last client left, 1s to 1440m.',
    parse: parseDuration('1s', '1440m'),
  },
  memoryInterval: {
    flag: 'memory-interval',
    kind: 'value',
    commands: ['serve', 'doctor'],
    default: '30s',
    unit: 'duration|off',
    help: 'How often the memory of awake devices is read, 15s to 60m; off also leaves it out of log events. A sleeping device is never woken.',
    parse: parseInterval('15s', '60m'),
  },
  clientMemory: {
    flag: 'client-memory',
    kind: 'switch',
    commands: ['serve'],
    default: 'false',
    unit: 'true|false',
    help: 'Also publish what each container holds of the memory of each device.',
    parse: parseSwitch,
  },
  topConsumers: {
    flag: 'top-consumers',
    kind: 'switch',
    commands: ['serve'],
    default: 'false',
    unit: 'true|false',
    help: 'Name those that hold most GPU memory in the log event of an out-of-memory error: it tells one team of the pods of others.',
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
  demoWedgeEvery: {
    flag: 'demo-wedge-every',
    kind: 'value',
    commands: ['demo'],
    default: 'off',
    unit: 'duration|off',
    help: 'How often one of the simulated GPUs is given up by its driver (wedged), for half of that time, and then bound again: 10s to 60m.',
    parse: parseInterval('10s', '60m'),
  },
  devices: {
    flag: 'device',
    kind: 'list',
    commands: ['watch'],
    default: undefined,
    unit: 'PCI address',
    help: 'Only events of this device. May be repeated.',
    parse: parsePciAddress,
  },
  pids: {
    flag: 'pid',
    kind: 'list',
    commands: ['watch'],
    default: undefined,
    unit: 'pid',
    help: 'Only events of this process. May be repeated.',
    parse: parseInteger(1, 4_194_304),
  },
  errnos: {
    flag: 'errno',
    kind: 'list',
    commands: ['watch'],
    default: undefined,
    unit: 'errno',
    help: 'Only events with this error, by name (ENOMEM) or number. May be repeated.',
    parse: parseErrno,
  },
  count: {
    flag: 'count',
    kind: 'value',
    commands: ['watch'],
    default: undefined,
    unit: 'count',
    help: 'Stop after that many events.',
    parse: parseInteger(1, 1_000_000_000),
  },
  json: {
    flag: 'json',
    kind: 'switch',
    commands: ['watch', 'doctor'],
    default: 'false',
    unit: 'true|false',
    help: 'Print JSON for programs instead of text for people.',
    parse: parseSwitch,
  },
  explainPrivileges: {
    flag: 'explain-privileges',
    kind: 'switch',
    commands: ['doctor'],
    default: 'false',
    unit: 'true|false',
    help: 'Print what each feature needs, why, and what is lost without; look at nothing.',
    parse: parseSwitch,
  },
  shutdownTimeout: {
    flag: 'shutdown-timeout',
    kind: 'value',
    commands: ['serve', 'demo', 'watch'],
    default: '5s',
    unit: 'duration',
    help: 'How long stopping may take, 100ms to 5m: queued log events are sent within it, what is left is dropped and counted.',
    parse: parseDuration('100ms', '5m'),
  },
  procRoot: {
    flag: 'path-procfs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '/proc',
    unit: 'path',
    help: 'Where procfs is mounted.',
    parse: parsePath,
  },
  sysRoot: {
    flag: 'path-sysfs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '/sys',
    unit: 'path',
    help: 'Where sysfs is mounted.',
    parse: parsePath,
  },
  debugfsRoot: {
    flag: 'path-debugfs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '/sys/kernel/debug',
    unit: 'path',
    help: 'Where debugfs is mounted; read-only is enough.',
    parse: parsePath,
  },
  tracefsRoot: {
    flag: 'path-tracefs',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '/sys/kernel/tracing',
    unit: 'path',
    help: 'Where tracefs is mounted, writable.',
    parse: parsePath,
  },
  devRoot: {
    flag: 'path-dev',
    kind: 'value',
    commands: ['serve', 'watch', 'doctor'],
    default: '/dev',
    unit: 'path',
    help: 'Where the device nodes are.',
    parse: parsePath,
  },
  logLevel: {
    flag: 'log-level',
    kind: 'value',
    commands: ALL,
    default: 'info',
    unit: LEVELS.join('|'),
    help: 'Least severity of what is logged to standard error.',
    parse: parseChoice(LEVELS),
  },
  logFormat: {
    flag: 'log-format',
    kind: 'value',
    commands: ALL,
    default: 'auto',
    unit: 'auto|text|json',
    help: 'Form of the log; auto is text on a terminal and JSON elsewhere.',
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
