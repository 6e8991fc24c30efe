import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';
import { PLACE } from './queries.js';

/** Tag of all dashboards: how they find each other. */
export const TAG = 'xe-exporter';

/** One link to each of the other dashboards, over the same time and with the same choices. */
export function toTheOthers(): DashboardLinkBuilder {
  return new DashboardLinkBuilder('xe GPUs')
    .type(DashboardLinkType.Dashboards)
    .tags([TAG])
    .asDropdown(false)
    .keepTime(true)
    .includeVars(true);
}

/** The node dashboard of a row, over the same time. @param column title of the column that holds the node */
export function toNode(column: string) {
  const url = `/d/xe-node?var-datasource=\${datasource}&var-${PLACE.at(-1)}=\${__data.fields["${column}"]}&\${__url_time_range}`;
  return { title: 'Open the node', url };
}
