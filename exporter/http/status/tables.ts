import type { FeatureReport } from '../../features.js';
import type { DeviceHealthState } from '../../names.js';
import { markup, type Markup } from './markup.js';
import type { ErrnoLabel } from '../../names.js';
import { errnoLabelClass, type RebindErrorClass } from '../../wire/errno.js';
import { amount } from './amounts.js';
import type { ClientStatus, Count, DeviceStatus, DropStatus, Naming, SourceStatus } from './node-status.js';
import { timeAndAge } from './time.js';

/** On a narrow screen a row becomes a block, and each cell shows the name of its column itself. */
interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => Markup | string | number;
}

export function devicesTable(devices: readonly DeviceStatus[], now: Date): Markup {
  if (devices.length === 0) return markup`<p class="empty">This node has no xe device.</p>`;
  return table('What the node has, and what happened to it since the exporter started', devices, [
    {
      name: 'Device',
      cell: ({ pciBdf, model, pciId, nodes }) =>
        markup`<code>${pciBdf}</code> <small>${model || pciId}</small> <small>${nodes.join(' · ')}</small>`,
    },
    { name: 'Health', cell: (device) => deviceHealth(device, now) },
    { name: 'Driver', cell: ({ driverVersion }) => markup`<span class="whole">${driverVersion || 'in-tree'}</span>` },
    { name: 'Clients watched', cell: ({ clients, clientsWatched }) => `${clientsWatched} of ${clients}` },
    {
      name: 'Rebind errors',
      cell: ({ rebindErrors }) => counts(rebindErrors.map(([errno, count]) => [inWords(errno), count])),
    },
    { name: 'Other errors', cell: ({ otherErrors }) => counts(otherErrors) },
    { name: 'Last rebind error', cell: ({ lastError }) => (lastError === 0 ? 'none' : timeAndAge(lastError, now)) },
  ]);
}

/** Rows of the table of clients; those that hold most are shown. */
const MOST_CLIENTS = 100;

const NAMING: Readonly<Record<Naming, Markup>> = {
  watched: state('good', 'watched'),
  trace: state('good', 'by the trace'),
  guess: state('warn', 'at best guessed'),
};

export function clientsTable(clients: readonly ClientStatus[], now: Date): Markup {
  if (clients.length === 0) return markup`<p class="empty">No process has a GPU open, as far as the exporter sees.</p>`;
  const shown = [...clients].sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0)).slice(0, MOST_CLIENTS);
  const left = clients.length - shown.length;
  const rows = table(
    'Who has a GPU open, the largest first. Errors are those of the whole pod on this GPU since the exporter started.',
    shown,
    [
      {
        name: 'Client',
        cell: ({ owner, container, process }) =>
          markup`<b>${owner}</b> <small>${[container, process].filter((name) => name !== '' && name !== owner).join(' · ')}</small>`,
      },
      { name: 'GPU', cell: ({ pciBdf }) => markup`<code>${pciBdf}</code>` },
      { name: 'Memory', cell: ({ bytes }) => (bytes === undefined ? 'not known' : amount(bytes)) },
      { name: 'Errors', cell: ({ errors }) => (errors === 0 ? 'none' : markup`<b>${errors}</b>`) },
      { name: 'Last error', cell: ({ lastError }) => (lastError === 0 ? 'none' : timeAndAge(lastError, now)) },
      { name: 'How an error is named', cell: ({ naming }) => NAMING[naming] },
    ],
  );
  return left === 0 ? rows : markup`${rows}<p class="hint">And ${left} more that hold less.</p>`;
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

function deviceHealth({ health }: DeviceStatus, now: Date): Markup {
  const name = health?.state ?? 'unknown';
  const shown = state(HEALTH_LEVELS[name], name);
  return health === undefined || name === 'ok'
    ? shown
    : markup`${shown} <small>since ${timeAndAge(health.sinceMs / 1000, now)}</small>`;
}

const WORDS: Readonly<Record<RebindErrorClass, string>> = {
  memory: 'out of memory',
  timeout: 'no answer in time',
  'host-memory': 'host memory busy',
  internal: 'driver error',
};

/** `out of memory (ENOMEM)` */
function inWords(errno: ErrnoLabel): string {
  return `${WORDS[errnoLabelClass(errno)]} (${errno})`;
}

function counts(all: readonly Count<string>[]): Markup | string {
  const some = all.filter(([, count]) => count > 0);
  if (some.length === 0) return 'none';
  return markup`<ul class="counts">${some.map(([name, count]) => markup`<li>${name} <b>${count}</b></li>`)}</ul>`;
}

function state(level: 'good' | 'warn' | 'bad' | 'info', text: string): Markup {
  return markup`<span class="state" data-level="${level}">${text}</span>`;
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
