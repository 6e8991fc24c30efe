import { exporterHealthDashboard } from '../dashboards/exporter-health.js';
import { fleetDashboard } from '../dashboards/fleet.js';
import { withLogEvents } from '../dashboards/log-events.js';
import { nodeDashboard } from '../dashboards/node.js';
import type { Alert, DashboardUid } from '../rules/alert.js';

/** THE LIST of dashboards, by uid. */
const DASHBOARDS: Readonly<Record<DashboardUid, ReturnType<typeof built>>> = {
  'xe-fleet': built(fleetDashboard()),
  'xe-node': built(nodeDashboard()),
  'xe-exporter-health': built(exporterHealthDashboard()),
};

/** A dashboard with numbers on its panels, which links need: Grafana would give them numbers of its own. */
function built(dashboard: ReturnType<typeof nodeDashboard>) {
  const { panels = [], links = [], annotations, ...others } = dashboard.build();
  return {
    ...others,
    links: links.map(inSight),
    annotations: { list: (annotations?.list ?? []).map(inSight) },
    panels: panels.map((panel, index) => ({ id: index + 1, ...panel })),
  };
}

/** A link or a switch on the page itself: the SDK puts it into a menu that hides it. */
function inSight<Part extends object>(part: Part) {
  return { ...part, placement: undefined };
}

/** A dashboard as Grafana imports it. */
export function dashboardJson(uid: DashboardUid): string {
  return `${JSON.stringify(DASHBOARDS[uid], null, 2)}\n`;
}

/** The node dashboard with the log events below it. */
export function nodeDashboardWithLogEvents(): string {
  return `${JSON.stringify(built(withLogEvents(nodeDashboard())), null, 2)}\n`;
}

/** @throws Error when the dashboard has no panel of that title */
export function panelId({ dashboard, title }: Alert['panel']): number {
  const index = DASHBOARDS[dashboard].panels.findIndex((panel) => 'title' in panel && panel.title === title);
  if (index < 0) throw new Error(`${dashboard} has no panel "${title}": an alert leads there`);
  return index + 1;
}
