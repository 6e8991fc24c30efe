import type { EventFeed } from '../../events/event-feed.js';
import { PATH, RUNBOOK_BASE } from '../../names.js';
import { eventId } from '../events/resume.js';
import type { Readiness } from '../routes/health.js';
import { eventItems } from './event-item.js';
import { markup, Markup } from './markup.js';
import { memoryOf } from './memory.js';
import type { NodeStatus } from './node-status.js';
import { problemsOf, type Problem } from './problems.js';
import { SCRIPT, SHOWN_EVENTS } from './script.js';
import { STYLE } from './style.js';
import { timeAndAge } from './time.js';
import { clientsTable, devicesTable, dropsLine, featuresTable, sourcesTable } from './tables.js';

export interface PageContent {
  readonly status: NodeStatus;
  readonly readiness: Readiness;
  /** undefined when /events is switched off. */
  readonly feed: EventFeed | undefined;
  readonly now: Date;
}

type Link = readonly [path: string, text: string];

const LINKS: readonly Link[] = [
  [PATH.metrics, 'Metrics'],
  [PATH.healthz, 'Health'],
  [PATH.readyz, 'Readiness'],
];
const EVENTS_LINK: Link = [`${PATH.events}?format=json`, 'Events as JSON'];

/**
 * The whole status page. It says everything without its script, which replaces the sections marked `data-fresh` by those of a
 * newer page and adds events to the list as they happen. Links are relative, so that the page works below a path of a proxy,
 * such as that of `kubectl proxy`.
 */
export function statusPage({ status, readiness, feed, now }: PageContent): string {
  const { node, version, devices, clients, sources, drops, features } = status;
  const problems = problemsOf(status, readiness, now.getTime() / 1000);
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>xe-exporter${node && ` · ${node}`}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<a class="skip" href="#events">Skip to the latest events</a>
<header>
<div><h1>xe-exporter</h1><p>${node && markup`<b>${node}</b> · `}version ${version}</p></div>
<nav aria-label="Other pages"><ul>${[...LINKS, ...(feed ? [EVENTS_LINK] : [])].map(link)}</ul></nav>
</header>
<main>
<section id="now" data-fresh aria-labelledby="now-title">${summary(problems, readiness, status, now)}</section>
<section id="memory" data-fresh aria-labelledby="memory-title">
<h2 id="memory-title">GPU memory</h2>
${memoryOf(devices, clients)}</section>
<section id="clients" data-fresh aria-labelledby="clients-title">
<h2 id="clients-title">Clients</h2>
${clientsTable(clients, now)}</section>
<section id="devices" data-fresh aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
${devicesTable(devices, now)}</section>
<section id="events" tabindex="-1" aria-labelledby="events-title">${latestEvents(feed, now)}</section>
<section id="sources" data-fresh aria-labelledby="sources-title">
<h2 id="sources-title">Event sources</h2>
${sourcesTable(sources)}${dropsLine(drops)}</section>
<section id="features" data-fresh aria-labelledby="features-title">
<h2 id="features-title">Features</h2>
${featuresTable(features)}</section>
</main>
<script>${new Markup(SCRIPT)}</script>
</body>
</html>
`.text;
}

function link([path, text]: Link): Markup {
  return markup`<li><a href="${path.slice(1)}">${text}</a></li>`;
}

const HEADLINES = { good: 'Nothing is wrong', warn: 'Needs a look', bad: 'Needs action' } as const;

function summary(problems: readonly Problem[], { ready, reason }: Readiness, status: NodeStatus, now: Date): Markup {
  const level = problems[0]?.level ?? 'good';
  return markup`<div class="verdict" data-level="${level}">
<h2 id="now-title">${HEADLINES[level]}</h2>
<p>${ready ? 'Ready' : 'Not ready'}: ${reason}. As of ${timeAndAge(now.getTime() / 1000, now)} (UTC).</p>
${problems.length > 0 ? markup`<ul>${problems.map((problem) => problemItem(problem, status))}</ul>` : ''}</div>`;
}

function problemItem({ level, what, fix, runbook, pciBdf }: Problem, { node, grafanaUrl }: NodeStatus): Markup {
  const links: Link[] = [];
  if (runbook) links.push([`${RUNBOOK_BASE}/${runbook}.md`, 'Runbook']);
  if (grafanaUrl !== '' && pciBdf !== undefined) links.push([dashboardOf(grafanaUrl, node, pciBdf), 'Dashboard']);
  return markup`<li data-level="${level}"><b>${what}</b> ${fix}${links.map(([url, text]) => markup` <a href="${url}">${text}</a>`)}</li>`;
}

/** The node dashboard with node and GPU filled in. */
function dashboardOf(grafanaUrl: string, node: string, pciBdf: string): string {
  const query = new URLSearchParams({ 'var-node': node, 'var-pci_bdf': pciBdf, from: 'now-1h', to: 'now' });
  return `${grafanaUrl}/d/xe-node?${query}`;
}

function latestEvents(feed: EventFeed | undefined, now: Date): Markup {
  if (feed === undefined) {
    return markup`<h2 id="events-title">Latest events</h2>
<p class="empty">Events are not shown here: the exporter runs with --no-events-http.</p>`;
  }
  const items = eventItems(feed, SHOWN_EVENTS, now);
  return markup`<div class="bar"><h2 id="events-title">Latest events</h2>
<p id="live">Reload to see newer ones</p><button id="pause" type="button" hidden>Pause</button></div>
<p id="announcement" class="visually-hidden" aria-live="polite"></p>
<p class="empty" id="no-events"${new Markup(items.length > 0 ? ' hidden' : '')}>None since the exporter started.</p>
<ol id="event-list" aria-labelledby="events-title" data-last-id="${eventId(feed, feed.newest)}">${items}</ol>
<p class="hint">Times are in UTC. What happened again to the same victim is one entry; the last ${SHOWN_EVENTS} entries are shown. In a terminal:
<code>curl -N http://<i>this address</i>${PATH.events}</code></p>`;
}
