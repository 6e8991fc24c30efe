import { ATTRIBUTE, EXEMPLAR_LABEL, METRIC } from '../../exporter/names.js';

/** The section on exemplars in docs/metrics.md, with a link from Grafana's Prometheus to the log event in Loki. */
export function exemplarSection(): string {
  return `With \`--exemplars\` (chart: \`metrics.exemplars\`) \`${METRIC.vmRebindErrors}\` and \`${METRIC.clientVmRebindErrors}\` carry the id of the last event they
counted, with its time, as \`${EXEMPLAR_LABEL}\`. It is the attribute \`${ATTRIBUTE.eventId}\` of the [log event](events.md), so one click leads from a graph to the process that was hit. The
rate limit on log events does not apply to counters: an exemplar can name an event that was held back, and the next log event says how many were.

Exemplars are part of the OpenMetrics format, which Prometheus asks for by itself; it keeps them with \`--enable-feature=exemplar-storage\`. Metrics pushed over OTLP have none: the
OpenTelemetry SDK for JavaScript cannot carry them. In Grafana, switch on *Exemplars* in the query options of a panel, and tell the Prometheus
data source where they lead, here to log events that Loki took over OTLP (\`loki\` is the uid of that data source):

\`\`\`yaml
datasources:
  - name: Prometheus
    type: prometheus
    url: http://prometheus:9090
    jsonData:
      exemplarTraceIdDestinations:
        - name: ${EXEMPLAR_LABEL}
          urlDisplayLabel: Log event
          # "$$" because Grafana replaces variables in provisioning files.
          url: ${exploreUrl()}
\`\`\``;
}

/** Grafana's address of the log event; `${__value.raw}` stays as it is, for Grafana to fill in. */
function exploreUrl(): string {
  const value = '$${__value.raw}';
  const expr = `{service_name="xe-exporter"} | ${EXEMPLAR_LABEL}="VALUE"`;
  const pane = { datasource: 'loki', queries: [{ refId: 'A', expr }], range: { from: 'now-7d', to: 'now' } };
  return `/explore?schemaVersion=1&panes=${encodeURIComponent(JSON.stringify({ a: pane })).replace('VALUE', () => value)}`;
}
