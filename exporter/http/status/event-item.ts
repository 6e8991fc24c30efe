import { ATTRIBUTE } from '../../names.js';
import { markup, type Markup } from './markup.js';

/** What a log record has as JSON. */
interface EventRecord {
  readonly timestamp: string;
  readonly event_name: string;
  readonly severity_number: number;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** One event as an entry of the list. The script makes the same of an event that comes later, see script.ts. */
export function eventItem(id: string, json: string): Markup {
  const { timestamp, event_name: name, severity_number: severity, body, attributes } = JSON.parse(json) as EventRecord;
  const badge = String(attributes[ATTRIBUTE.errorType] ?? attributes[ATTRIBUTE.eventOutcome] ?? name);
  const level = severity >= 17 ? 'bad' : severity >= 13 ? 'warn' : 'info';
  const facts = [attributes[ATTRIBUTE.pciBdf], victimOf(attributes), suppressedOf(attributes)].filter(Boolean);
  const time = timestamp.slice(0, 19).replace('T', ' ');
  return markup`<li data-id="${id}" data-level="${level}">
<time datetime="${timestamp}">${time}</time> <b class="badge">${badge}</b> <span class="facts">${facts.join(' · ')}</span>
<p>${body}</p></li>`;
}

function victimOf(attributes: EventRecord['attributes']): string {
  const namespace = attributes[ATTRIBUTE.k8sNamespace];
  const pod = namespace === undefined ? undefined : `${namespace}/${attributes[ATTRIBUTE.k8sPod] ?? ''}`;
  const victim = pod ?? attributes[ATTRIBUTE.executable];
  if (victim === undefined) return '';
  return `${attributes[ATTRIBUTE.victimInferred] ? 'probably ' : ''}${victim}`;
}

function suppressedOf(attributes: EventRecord['attributes']): string {
  const count = attributes[ATTRIBUTE.suppressedCount];
  return count === undefined ? '' : `and ${count} like it`;
}
