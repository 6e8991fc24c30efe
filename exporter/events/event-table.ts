import { markdownTable } from '../config/markdown.js';
import type { SourceName } from '../names.js';
import { eventOf, type EventDefinition, type Severity } from './device-event.js';
import { eventDefinitions, isReceivedFrom } from './index.js';

/** The words of the OpenTelemetry logs data model for the numbers in use. */
const SEVERITY_TEXT: Readonly<Record<Severity, string>> = { 9: 'INFO', 13: 'WARN', 17: 'ERROR', 21: 'FATAL' };

const SOURCES_OF_A_NODE: readonly SourceName[] = ['watch_queue', 'kmsg', 'uevent'];

/** The event table of the README, in Markdown: what there is, where it comes from, how grave it is at most, what it means. */
export function eventTable(): string {
  const rows = eventDefinitions.map((definition) => [
    `\`${definition.name}\``,
    sourcesOf(definition),
    definition.logged ? `${SEVERITY_TEXT[gravest(definition)]} (${gravest(definition)})` : '',
    definition.summary,
  ]);
  return markdownTable([['Event', 'From', 'Severity', 'What it means'], ...rows]);
}

function sourcesOf(definition: EventDefinition): string {
  const sources = SOURCES_OF_A_NODE.filter((source) => isReceivedFrom(source, definition));
  return sources.length === 0 ? 'the exporter' : sources.map((source) => `\`${source}\``).join(', ');
}

/** Of an event of which nothing is known; a definition never takes the lighter course then. */
function gravest(definition: EventDefinition): Severity {
  const unknown = { source: 'kmsg', sequence: 1, realtimeNs: 0n, monotonicNs: 0n } as const;
  return definition.severity(eventOf({ ...unknown, definition }));
}
