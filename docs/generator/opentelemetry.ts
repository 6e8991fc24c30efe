import { EVENT_METRIC } from '../../exporter/events/index.js';
import { attributesOf } from '../../exporter/otlp/metrics/attributes.js';
import { ATTRIBUTE, LABEL, METRIC, type DeviceHealthState } from '../../exporter/names.js';
import { markdownTable } from './markdown.js';

/** `hw.state` of each state of health. */
const HARDWARE_STATES: Readonly<Record<Exclude<DeviceHealthState, 'unknown'>, 'ok' | 'degraded' | 'failed'>> = {
  ok: 'ok',
  recovering: 'degraded',
  faulting: 'degraded',
  unrecovered: 'failed',
  wedged: 'failed',
  survivability: 'failed',
  lost: 'failed',
};

/** What the hardware conventions of OpenTelemetry call something that we measure, and where it is here. */
export const HARDWARE_METRICS: readonly (readonly [convention: string, metric: string, how: string])[] = [
  ['hw.gpu.memory.limit', METRIC.deviceMemorySize, 'The regions `vram0`, `vram1`, ... are the memory of the GPU.'],
  ['hw.gpu.memory.usage', METRIC.deviceMemoryUsed, 'The same regions.'],
  ['hw.gpu.memory.utilization', METRIC.deviceMemoryUsed, `Divide by \`${METRIC.deviceMemorySize}\`.`],
  [
    'hw.errors',
    EVENT_METRIC.hardwareError,
    `\`error.type\` is the label \`${LABEL.severity}\`. A VM rebind error is no fault of the hardware and does not belong here.`,
  ],
  [
    'hw.status',
    METRIC.deviceHealth,
    `By \`${LABEL.state}\`: ${Object.entries(HARDWARE_STATES)
      .map(([state, hardwareState]) => `\`${state}\` is \`${hardwareState}\``)
      .join(', ')}. \`unknown\` has no counterpart.`,
  ],
];

/** The same for attributes: each is a label of {@link METRIC.deviceInfo}. */
const HARDWARE_ATTRIBUTES: readonly (readonly [convention: string, label: string])[] = [
  [ATTRIBUTE.hwId, LABEL.pciBdf],
  [ATTRIBUTE.hwName, LABEL.card],
  [ATTRIBUTE.hwModel, LABEL.model],
  [ATTRIBUTE.hwVendor, LABEL.vendor],
  [ATTRIBUTE.hwDriverVersion, LABEL.driverVersion],
];

const VARIABLES: readonly (readonly [variable: string, meaning: string])[] = [
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', 'URL for metrics, path included; wins over `OTEL_EXPORTER_OTLP_ENDPOINT`.'],
  ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', '`http/protobuf` (default), `http/json` or `grpc`.'],
  [
    'OTEL_EXPORTER_OTLP_METRICS_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY',
    'As in the specification. Without `_METRICS` they count for both signals.',
  ],
  ['OTEL_METRIC_EXPORT_INTERVAL', 'Milliseconds from one push to the next, 60000 by default.'],
  ['OTEL_METRIC_EXPORT_TIMEOUT', 'Milliseconds for one request, 30000 by default and never longer than the interval.'],
  ['OTEL_METRICS_EXPORTER', '`otlp` pushes metrics as `--otlp-metrics` does; `none` switches that off.'],
  ['OTEL_SDK_DISABLED', '`true` switches logs and metrics off.'],
  ['OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME', 'Added to the resource; they win over what the exporter says.'],
];

/** docs/opentelemetry.md: both signals, what metrics look like on the other side, and the mapping to the hardware conventions. */
export function openTelemetryReference(): string {
  const renamed = Object.values(LABEL).flatMap((label) => {
    const [attribute = label] = Object.keys(attributesOf({ [label]: '' }));
    return attribute === label ? [] : [[`\`${label}\``, `\`${attribute}\``]];
  });
  return `# OpenTelemetry

The exporter sends two signals over OTLP: [log events](events.md), as soon as there is an endpoint (\`--otlp-endpoint\` or the standard \`OTEL_*\` variables), and
metrics, with \`--otlp-metrics\` as well. In the chart these are \`otlp.endpoint\` and \`otlp.metrics\`. Metrics are off by default because most clusters scrape
[\`/metrics\`](metrics.md), and whoever does both stores everything twice.

## Metrics

Everything on \`/metrics\` is pushed, under the same names, once a minute. When the exporter stops it
pushes the counts once more.

- Counters and histograms are cumulative, whatever \`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE\` says. A push that fails costs nothing but time: the next
  one has every count. If your backend needs deltas, put a \`cumulativetodelta\` processor into the collector.
- A series starts when it was born, so a container that comes back after \`--client-series-retention\` is seen to start anew at 0.
- Units follow from the name: \`s\`, \`By\`, or \`{error}\` and the like for counts. The description is the HELP of \`/metrics\`.
- The resource is that of the log events: \`service.name\`, \`service.version\`, \`service.instance.id\`, \`host.name\`, and in Kubernetes \`k8s.node.name\` and the exporter's
  own pod.
- Data points that arrived and that did not are counted in \`${METRIC.otlpRecords}{signal="metrics"}\`. The log says once when pushing starts to fail, and once when it
  works again.

${markdownTable([['Variable', 'Meaning'], ...VARIABLES.map(([variable, meaning]) => [codes(variable), meaning])])}

### Attributes

Labels become attributes. Those that log events have too go by the name they have there, so that both signals join on them; Prometheus turns
dots into underscores and has the label back. Series of a GPU also carry \`${ATTRIBUTE.hwId}\` (its PCI address) and \`${ATTRIBUTE.hwType}\` \`gpu\`.

${markdownTable([['Label', 'Attribute'], ...renamed])}

### Into Prometheus

The names are made to survive: after Prometheus's own OTLP receiver (\`--web.enable-otlp-receiver\`, with its default \`translation_strategy\`) every metric is called
what it is called on \`/metrics\`, so queries, alerts and dashboards work. Four things differ from a scrape:

- \`job\` is \`xe-exporter\` and \`instance\` the id of the process, which changes with every start. Set \`service.instance.id\` in \`OTEL_RESOURCE_ATTRIBUTES\` if
  that bothers you.
- The label \`node\`, which alerts and dashboards use, comes from your scrape configuration and is missing here. Copy it in the collector:

  \`\`\`yaml
  processors:
    transform/xe-exporter:
      metric_statements:
        - context: datapoint
          statements:
            - set(attributes["node"], resource.attributes["k8s.node.name"]) where resource.attributes["k8s.node.name"] != nil
            - set(attributes["node"], resource.attributes["host.name"]) where attributes["node"] == nil
  \`\`\`

- There is no \`up\`, so no alert says that the exporter is gone. Watch \`absent_over_time(xe_exporter_build_info{node="..."}[10m])\` instead.
- The bucket bound \`1\` of a histogram is \`le="1"\`; a scrape by Prometheus 3 stores \`le="1.0"\`. Do not mix both in one quantile.

## Hardware conventions

OpenTelemetry's [semantic conventions for GPUs](https://opentelemetry.io/docs/specs/semconv/hardware/gpu/) are still in development, so the exporter keeps its names. This is where to
find what they describe:

${markdownTable([
  ['Convention', 'Here', 'How'],
  ...HARDWARE_METRICS.map(([convention, metric, how]) => [`\`${convention}\``, `\`${metric}\``, how]),
])}

${markdownTable([
  ['Attribute', `Label of \`${METRIC.deviceInfo}\``],
  ...HARDWARE_ATTRIBUTES.map(([convention, label]) => [`\`${convention}\``, `\`${label}\``]),
])}

The exporter does not measure \`hw.gpu.io\`, \`hw.gpu.utilization\`, \`hw.energy\`, \`hw.power\` and \`hw.temperature\`.
`;
}

/** Each name of a list as code. */
function codes(names: string): string {
  return names
    .split(', ')
    .map((name) => `\`${name}\``)
    .join(', ');
}
