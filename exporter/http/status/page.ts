import type { EventFeed } from '../../events/event-feed.js';
import { PATH } from '../../names.js';
import { eventId } from '../events/resume.js';
import type { Readiness } from '../routes/health.js';
import { eventItem } from './event-item.js';
import { markup, Markup } from './markup.js';
import type { NodeStatus } from './node-status.js';
import { problemsOf, type Problem } from './problems.js';
import { SCRIPT, SHOWN_EVENTS } from './script.js';
import { STYLE } from './style.js';
import { devicesTable, dropsLine, featuresTable, sourcesTable } from './tables.js';

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
  const { node, version, devices, sources, drops, features } = status;
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
<section id="now" data-fresh aria-labelledby="now-title">${summary(problems, readiness, now)}</section>
<section id="devices" data-fresh aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
${devicesTable(devices)}</section>
<section id="events" tabindex="-1" aria-labelledby="events-title">${latestEvents(feed)}</section>
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

function summary(problems: readonly Problem[], { ready, reason }: Readiness, now: Date): Markup {
  const level = problems[0]?.level ?? 'good';
  const time = now.toISOString();
  return markup`<div class="verdict" data-level="${level}">
<h2 id="now-title">${HEADLINES[level]}</h2>
<p>${ready ? 'Ready' : 'Not ready'}: ${reason}. As of <time datetime="${time}">${time.slice(11, 19)}</time> UTC.</p>
${problems.length > 0 ? markup`<ul>${problems.map(problemItem)}</ul>` : ''}</div>`;
}

function problemItem({ level, what, fix }: Problem): Markup {
  return markup`<li data-level="${level}"><b>${what}</b> ${fix}</li>`;
}

function latestEvents(feed: EventFeed | undefined): Markup {
  if (feed === undefined) {
    return markup`<h2 id="events-title">Latest events</h2>
<p class="empty">Events are not shown here: the exporter runs with --no-events-http.</p>`;
  }
  const items: Markup[] = [];
  for (let number = feed.newest; number >= feed.oldest && items.length < SHOWN_EVENTS; number--) {
    const event = feed.at(number);
    if (event) items.push(eventItem(eventId(feed, number), event.json));
  }
  return markup`<div class="bar"><h2 id="events-title">Latest events</h2>
<p id="live">Reload to see newer ones</p><button id="pause" type="button" hidden>Pause</button></div>
<p id="announcement" class="visually-hidden" aria-live="polite"></p>
<p class="empty" id="no-events"${new Markup(items.length > 0 ? ' hidden' : '')}>None since the exporter started.</p>
<ol id="event-list" aria-labelledby="events-title" data-last-id="${eventId(feed, feed.newest)}">${items}</ol>
<p class="hint">Times are in UTC, the last ${SHOWN_EVENTS} are shown. In a terminal:
<code>curl -N http://<i>this address</i>${PATH.events}</code></p>`;
}
