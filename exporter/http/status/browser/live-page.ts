import type { ageText } from './age.js';
import type { EntryAttributes, eventEntry, EventRecord, repeatText } from './event-entry.js';

export interface LivePageSettings {
  /** Path of /events, relative to the page. */
  readonly events: string;
  /** Names of the log events; each is an SSE event type of its own. */
  readonly eventNames: readonly string[];
  readonly attributes: EntryAttributes;
  /** Entries that stay in the list. */
  readonly shownEvents: number;
}

/** What the exporter makes the page with, too. */
export interface Texts {
  readonly entryOf: typeof eventEntry;
  readonly repeatOf: typeof repeatText;
  readonly ageOf: typeof ageText;
}

/**
 * Keeps an open status page current: adds events to the list as they happen, and replaces the sections marked `data-fresh` by
 * those of a newer page. Text gets into the page through textContent only, and whole sections only as the server made them, as
 * nodes of a parsed page: never as markup.
 */
export function livePage(settings: LivePageSettings, { entryOf, repeatOf, ageOf }: Texts): void {
  /** How old the other sections may get. */
  const refreshMs = 5000;
  /** How often a screen reader hears of events, at most. */
  const announceMs = 5000;
  /** How long to wait when the browser has given up the stream. */
  const reconnectMs = 15_000;

  const byId = (id: string): HTMLElement => document.getElementById(id)!;
  let paused = false;
  /** By how much the clock of the node is ahead of this one, in milliseconds. */
  let ahead = 0;

  function element<Name extends keyof HTMLElementTagNameMap>(name: Name, text: string, className = '') {
    const node = document.createElement(name);
    node.textContent = text;
    if (className) node.className = className;
    return node;
  }

  /** The same as the server makes. */
  function eventItem(id: string, record: EventRecord): HTMLLIElement {
    const entry = entryOf(record, settings.attributes);
    const item = element('li', '', 'new');
    item.dataset['id'] = id;
    item.dataset['level'] = entry.level;
    item.dataset['key'] = entry.key;
    item.dataset['count'] = '1';
    item.dataset['first'] = record.timestamp;
    const time = element('time', entry.time);
    time.dateTime = record.timestamp;
    const [badge, facts] = [element('b', entry.badge, 'badge'), element('span', entry.facts, 'facts')];
    item.append(
      time,
      ' ',
      element('span', '', 'age'),
      ' ',
      badge,
      ' ',
      element('span', '', 'repeats'),
      ' ',
      facts,
      ' ',
      element('p', record.body),
    );
    return item;
  }

  function gapItem(missed: number | null): HTMLLIElement {
    const text =
      missed === null
        ? 'The exporter was started again: events may be missing here.'
        : `${missed} events are missing here: they came faster than this page could follow.`;
    const item = element('li', '', 'new');
    item.dataset['level'] = 'warn';
    item.append(element('b', 'gap', 'badge'), ' ', element('p', text));
    return item;
  }

  function followEvents(list: HTMLElement): void {
    const live = byId('live');
    const pause = byId('pause');
    let lastId = list.dataset['lastId'] ?? '';
    let held: HTMLLIElement[] = [];
    let heldCount = 0;
    let unheard = 0;
    let announcing = 0;

    function show(level: string, text: string): void {
      live.dataset['level'] = level;
      live.textContent = text;
    }

    function add(items: readonly HTMLLIElement[]): void {
      byId('no-events').hidden = true;
      // Newest first; reading further down must not be disturbed.
      const { scrollTop, scrollHeight } = list;
      for (const item of items) {
        fold(item);
        list.prepend(item);
      }
      showAges();
      while (list.children.length > settings.shownEvents) list.lastElementChild?.remove();
      if (scrollTop > 0) list.scrollTop = scrollTop + list.scrollHeight - scrollHeight;
      unheard += items.length;
      if (!announcing) announcing = setTimeout(announce, 0);
    }

    /** Takes the place of the entry that said the same before. */
    function fold(item: HTMLLIElement): void {
      const { key } = item.dataset;
      const before = [...list.children].find(
        (other) => key !== undefined && (other as HTMLElement).dataset['key'] === key,
      );
      if (before === undefined) return;
      const { count, first } = (before as HTMLElement).dataset;
      item.dataset['count'] = String(Number(count) + 1);
      item.dataset['first'] = first ?? '';
      item.querySelector('.repeats')!.textContent = repeatOf(Number(count) + 1, first ?? '');
      before.remove();
    }

    function announce(): void {
      announcing = 0;
      if (unheard === 0) return;
      const newest = list.querySelector('p')?.textContent ?? '';
      byId('announcement').textContent = unheard === 1 ? newest : `${unheard} new events. The newest: ${newest}`;
      unheard = 0;
      announcing = setTimeout(announce, announceMs);
    }

    function arrived(id: string, item: HTMLLIElement): void {
      lastId = id;
      if (!paused) {
        add([item]);
        return;
      }
      heldCount++;
      held.push(item);
      if (held.length > settings.shownEvents) held.shift();
      pause.textContent = `Resume (${heldCount} new)`;
    }

    function connect(): void {
      const source = new EventSource(`${settings.events}?last_event_id=${encodeURIComponent(lastId)}`);
      const showState = (): void => (paused ? show('info', 'Paused') : show('good', 'Live'));
      source.onopen = showState;
      source.onerror = () => {
        show('warn', 'Not connected: trying again');
        if (source.readyState === EventSource.CLOSED) setTimeout(connect, reconnectMs);
      };
      for (const name of settings.eventNames)
        source.addEventListener(name, ({ lastEventId, data }) =>
          arrived(lastEventId, eventItem(lastEventId, JSON.parse(data) as EventRecord)),
        );
      source.addEventListener('gap', ({ lastEventId, data }) =>
        arrived(lastEventId, gapItem((JSON.parse(data) as { missed: number | null }).missed)),
      );
      pause.onclick = () => {
        paused = !paused;
        pause.textContent = paused ? 'Resume' : 'Pause';
        if (source.readyState === EventSource.OPEN) showState();
        if (paused) return;
        if (held.length > 0) add(held);
        held = [];
        heldCount = 0;
      };
    }

    list.tabIndex = 0;
    pause.hidden = false;
    show('info', 'Connecting');
    connect();
  }

  /** How far the clock of the node was ahead when it made the page. */
  function aheadOf(page: Document): number {
    return Date.parse(page.querySelector('#now time')!.getAttribute('datetime')!) - Date.now();
  }

  function showAges(): void {
    for (const age of document.querySelectorAll('.age')) {
      const { dateTime } = age.previousElementSibling as HTMLTimeElement;
      age.textContent = ageOf((Date.now() + ahead - Date.parse(dateTime)) / 1000);
    }
  }

  async function refresh(): Promise<void> {
    if (paused || document.hidden || getSelection()?.isCollapsed === false) return;
    const answer = await fetch(location.pathname, { cache: 'no-store' });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    ahead = aheadOf(fresh);
    for (const section of document.querySelectorAll('[data-fresh]')) {
      const other = fresh.getElementById(section.id);
      // Whoever is on a link with the keyboard stays there.
      if (section.contains(document.activeElement)) continue;
      if (other && other.innerHTML !== section.innerHTML)
        section.replaceChildren(...document.adoptNode(other).childNodes);
    }
  }

  ahead = aheadOf(document);
  const list = document.getElementById('event-list');
  if (list) followEvents(list);
  // A failed refresh leaves the old time in the verdict; the next one tries again.
  setInterval(
    () =>
      void refresh()
        .catch(() => {})
        .then(showAges),
    refreshMs,
  );
}
