import { EVENT } from '../../events/index.js';
import { ATTRIBUTE, PATH } from '../../names.js';

/** Entries of the list of events, in the page as served and later. */
export const SHOWN_EVENTS = 50;

/** How old the other sections may get, in milliseconds. */
const REFRESH_MS = 5000;
/** How often a screen reader hears of events, at most. */
const ANNOUNCE_MS = 5000;
/** How long to wait when no stream is to be had. */
const RECONNECT_MS = 15_000;

/**
 * Of the status page; named in the Content-Security-Policy by its hash. It puts text into the page through textContent only,
 * and whole sections only as the server made them, as nodes of a parsed page: never as markup.
 */
export const SCRIPT = `
'use strict';
(() => {
const A = ${JSON.stringify(ATTRIBUTE)};
const byId = (id) => document.getElementById(id);
const list = byId('event-list'), live = byId('live'), pause = byId('pause'), announcement = byId('announcement');
let lastId = list?.dataset.lastId, paused = false, held = [], heldCount = 0, unheard = 0, announcing = 0;

function show(level, text) {
  live.dataset.level = level;
  live.textContent = text;
}
function element(name, text, className) {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}
// The same entry as event-item.ts makes.
function item(id, { timestamp, event_name, severity_number, body, attributes: a }) {
  const li = element('li', '', 'new');
  li.dataset.id = id;
  li.dataset.level = severity_number >= 17 ? 'bad' : severity_number >= 13 ? 'warn' : 'info';
  const time = element('time', timestamp.slice(0, 19).replace('T', ' '));
  time.dateTime = timestamp;
  const pod = a[A.k8sNamespace] === undefined ? undefined : a[A.k8sNamespace] + '/' + (a[A.k8sPod] ?? '');
  const named = pod ?? a[A.executable];
  const victim = named === undefined ? '' : (a[A.victimInferred] ? 'probably ' : '') + named;
  const suppressed = a[A.suppressedCount] === undefined ? '' : 'and ' + a[A.suppressedCount] + ' like it';
  const facts = [a[A.pciBdf], victim, suppressed].filter(Boolean).join(' \\u00b7 ');
  li.append(time, ' ', element('b', String(a[A.errorType] ?? a[A.eventOutcome] ?? event_name), 'badge'), ' ', element('span', facts, 'facts'), ' ', element('p', body));
  return li;
}
function gapItem({ missed }) {
  const li = element('li', '', 'new');
  li.dataset.level = 'warn';
  li.append(element('b', 'gap', 'badge'), ' ', element('p', missed === null ? 'The exporter was started again: events may be missing here.' : missed + ' events are missing here: they came faster than this page could follow.'));
  return li;
}
function add(entries) {
  byId('no-events').hidden = true;
  // Newest first; reading further down must not be disturbed.
  const scrolled = list.scrollTop, height = list.scrollHeight;
  for (const entry of entries) list.prepend(entry);
  while (list.children.length > ${SHOWN_EVENTS}) list.lastElementChild.remove();
  if (scrolled > 0) list.scrollTop = scrolled + list.scrollHeight - height;
  unheard += entries.length;
  if (!announcing) announcing = setTimeout(announce, 0);
}
function announce() {
  if (unheard === 0) return void (announcing = 0);
  const newest = list.querySelector('p').textContent;
  announcement.textContent = unheard === 1 ? newest : unheard + ' new events. The newest: ' + newest;
  unheard = 0;
  announcing = setTimeout(announce, ${ANNOUNCE_MS});
}
function arrived(message, make) {
  lastId = message.lastEventId;
  const entry = make(JSON.parse(message.data));
  if (!paused) return add([entry]);
  heldCount++;
  held.push(entry);
  if (held.length > ${SHOWN_EVENTS}) held.shift();
  pause.textContent = 'Resume (' + heldCount + ' new)';
}
function connect() {
  const source = new EventSource('${PATH.events.slice(1)}?last_event_id=' + encodeURIComponent(lastId));
  const state = () => show(paused ? 'info' : 'good', paused ? 'Paused' : 'Live');
  source.onopen = state;
  source.onerror = () => {
    show('warn', 'Not connected: trying again');
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, ${RECONNECT_MS});
  };
  for (const name of ${JSON.stringify(Object.values(EVENT))}) source.addEventListener(name, (message) => arrived(message, (record) => item(message.lastEventId, record)));
  source.addEventListener('gap', (message) => arrived(message, gapItem));
  pause.onclick = () => {
    paused = !paused;
    pause.textContent = paused ? 'Resume' : 'Pause';
    if (source.readyState === EventSource.OPEN) state();
    if (paused) return;
    if (held.length > 0) add(held);
    held = [];
    heldCount = 0;
  };
}
async function refresh() {
  if (paused || document.hidden || !getSelection().isCollapsed) return;
  const answer = await fetch(location.pathname, { cache: 'no-store' });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const section of document.querySelectorAll('[data-fresh]')) {
    const other = fresh.getElementById(section.id);
    if (other && other.innerHTML !== section.innerHTML) section.replaceChildren(...document.adoptNode(other).childNodes);
  }
}
if (list) {
  list.tabIndex = 0;
  pause.hidden = false;
  show('info', 'Connecting');
  connect();
}
setInterval(() => refresh().catch(() => {}), ${REFRESH_MS});
})();
`;
