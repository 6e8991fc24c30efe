import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';

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
