import type { FeatureReport } from '../../features.js';
import type { DeviceHealthState } from '../../names.js';
import { markup, type Markup } from './markup.js';
import type { Count, DeviceStatus, DropStatus, SourceStatus } from './node-status.js';

/** On a narrow screen a row becomes a block, and each cell shows the name of its column itself. */
interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => Markup | string | number;
}

export function devicesTable(devices: readonly DeviceStatus[]): Markup {
  if (devices.length === 0) return markup`<p class="empty">This node has no xe device.</p>`;
  return table('What the node has, and what happened to it since the exporter started', devices, [
    {
      name: 'Device',
      cell: ({ pciBdf, model, pciId, nodes }) =>
        markup`<code>${pciBdf}</code> <small>${model || pciId}</small> <small>${nodes.join(' · ')}</small>`,
    },
    { name: 'Health', cell: deviceHealth },
    { name: 'Driver', cell: ({ driverVersion }) => driverVersion || 'in-tree' },
    { name: 'Clients watched', cell: ({ clients, clientsWatched }) => `${clientsWatched} of ${clients}` },
    { name: 'Rebind errors', cell: ({ rebindErrors }) => counts(rebindErrors) },
    { name: 'Other errors', cell: ({ otherErrors }) => counts(otherErrors) },
    { name: 'Last rebind error', cell: ({ lastError }) => (lastError === 0 ? 'none' : time(lastError)) },
  ]);
}

export function sourcesTable(sources: readonly SourceStatus[]): Markup {
  return table('Where events come from', sources, [
    { name: 'Source', cell: ({ name }) => markup`<code>${name}</code>` },
    { name: 'State', cell: ({ up }) => (up ? state('good', 'up') : state('warn', 'down')) },
    { name: 'Events received', cell: ({ received }) => received },
    { name: 'Loss notices', cell: ({ lost }) => lost },
    { name: 'Restarts', cell: ({ restarts }) => restarts },
  ]);
}

export function featuresTable(features: readonly FeatureReport[]): Markup {
  const levels = { active: 'good', denied: 'warn', unsupported: 'info', disabled: 'info' } as const;
  return table('What the exporter can do on this node', features, [
    { name: 'Feature', cell: ({ feature }) => markup`<code>${feature}</code>` },
    { name: 'State', cell: ({ state: name }) => state(levels[name], name) },
    { name: 'Reason', cell: ({ reason }) => reason },
    { name: 'What to do', cell: ({ fix }) => fix },
  ]);
}

export function dropsLine(drops: readonly DropStatus[]): Markup {
  const shown = drops.filter(({ count }) => count > 0);
  const text = ({ stage, sink, reason, count }: DropStatus): string => `${count} ${reason} (${sink || stage})`;
  return markup`<p class="hint">Dropped inside the exporter: ${shown.map(text).join(', ') || 'nothing'}.</p>`;
}

const HEALTH_LEVELS: Readonly<Record<DeviceHealthState, 'good' | 'warn' | 'bad' | 'info'>> = {
  ok: 'good',
  recovering: 'warn',
  faulting: 'warn',
  unrecovered: 'bad',
  wedged: 'bad',
  survivability: 'bad',
  lost: 'bad',
  unknown: 'info',
};

function deviceHealth({ health }: DeviceStatus): Markup {
  const name = health?.state ?? 'unknown';
  const shown = state(HEALTH_LEVELS[name], name);
  return health === undefined || name === 'ok'
    ? shown
    : markup`${shown} <small>since ${time(health.sinceMs / 1000)}</small>`;
}

function counts(all: readonly Count<string>[]): Markup | string {
  const some = all.filter(([, count]) => count > 0);
  if (some.length === 0) return 'none';
  return markup`<ul class="counts">${some.map(([name, count]) => markup`<li>${name} <b>${count}</b></li>`)}</ul>`;
}

function state(level: 'good' | 'warn' | 'bad' | 'info', text: string): Markup {
  return markup`<span class="state" data-level="${level}">${text}</span>`;
}

function time(seconds: number): Markup {
  const iso = new Date(seconds * 1000).toISOString();
  return markup`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')}</time>`;
}

function table<Row>(caption: string, rows: readonly Row[], columns: readonly Column<Row>[]): Markup {
  const head = ({ name }: Column<Row>): Markup => markup`<th scope="col">${name}</th>`;
  const line = (row: Row): Markup =>
    markup`<tr>${columns.map((column, index) => cellOf(column, row, index === 0))}</tr>\n`;
  return markup`<table><caption>${caption}</caption>
<thead><tr>${columns.map(head)}</tr></thead>
<tbody>
${rows.map(line)}</tbody></table>`;
}

function cellOf<Row>({ name, cell }: Column<Row>, row: Row, isName: boolean): Markup {
  if (isName) return markup`<th scope="row">${cell(row)}</th>`;
  return markup`<td data-name="${name}">${cell(row)}</td>`;
}
