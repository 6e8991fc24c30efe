import { LogsSortOrder } from '@grafana/grafana-foundation-sdk/common';
import { DatasourceVariableBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as LogsBuilder } from '@grafana/grafana-foundation-sdk/logs';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/loki';
import { LABEL } from '../../exporter/names.js';
import { PLACE } from './queries.js';

const LOKI = { type: 'loki', uid: '${loki}' } as const;

/**
 * Loki takes OTLP with resource and record attributes as labels, dots as underscores: `service.name` is an index label by default.
 * `host.name` is the node, as long as the target label of Prometheus has the same name for it.
 */
const EVENTS_OF_NODE = `{service_name="xe-exporter"} | host_name=~"$${PLACE.at(-1)}" | pci_bdf=~"$${LABEL.pciBdf}"`;

/**
 * Adds the log events of the node to its dashboard. Not part of the plain one, because Grafana shows an error in a panel whose data
 * source is not there.
 */
export function withLogEvents(dashboard: DashboardBuilder): DashboardBuilder {
  return dashboard
    .withVariable(new DatasourceVariableBuilder('loki').label('Loki').type('loki'))
    .withPanel(
      new LogsBuilder()
        .title('Log events')
        .description(
          'What the exporter sent over OTLP, with process, client and advice: open a line for its attributes.',
        )
        .datasource(LOKI)
        .span(24)
        .height(12)
        .noValue('No log event in this range, or the exporter does not send to this Loki (--otlp-endpoint).')
        .showTime(true)
        .wrapLogMessage(true)
        .enableLogDetails(true)
        .sortOrder(LogsSortOrder.Descending)
        .withTarget(
          new DataqueryBuilder().refId('A').datasource(LOKI).expr(EVENTS_OF_NODE).queryType('range').maxLines(200),
        ),
    );
}
