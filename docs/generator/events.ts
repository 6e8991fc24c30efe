import type { EventDefinition, Severity } from '../../exporter/events/device-event.js';
import { eventOf } from '../../exporter/events/device-event.js';
import { eventsLost } from '../../exporter/events/definitions/events-lost.js';
import { vmRebindError } from '../../exporter/events/definitions/vm-rebind-error.js';
import { vmRebindOutcome } from '../../exporter/events/definitions/vm-rebind-outcome.js';
import { eventDefinitions, isReceivedFrom } from '../../exporter/events/index.js';
import { ATTRIBUTE, METRIC, REGION_ATTRIBUTE, SOURCES } from '../../exporter/names.js';
import { ATTRIBUTES, ATTRIBUTE_GROUPS, REGION_ATTRIBUTES } from './attributes.js';
import { exampleRecords, type ExampleRecord } from './event-examples.js';
import { markdownTable } from './markdown.js';

/** The words of the OpenTelemetry logs data model for the numbers in use. */
const SEVERITY_TEXT: Readonly<Record<Severity, string>> = { 9: 'INFO', 13: 'WARN', 17: 'ERROR', 21: 'FATAL' };

const SOURCES_OF_A_NODE = SOURCES.filter((source) => source !== 'simulator');

/** docs/events.md: every event and attribute, with records that came out of the real decoders. */
export async function eventReference(): Promise<string> {
  const records = await exampleRecords();
  return `# Events

One log event is one incident, whatever the number of sources that reported it. Events go to OTLP when an endpoint is set (\`--otlp-endpoint\` or the standard
\`OTEL_*\` variables), to standard output as JSON lines with \`--events-stdout\`, and to [\`/events\`](http.md#events). The body is one sentence
somebody can act on. Timestamps are the time the kernel gave, or the time of the read.

Log events are rate-limited per client and event name (\`--event-rate-limit-per-minute\`); the next record says how many were held back
(\`${ATTRIBUTE.suppressedCount}\`), and the final outcome of a client is never held back. Counters count everything.

A GPU that hangs can repeat one line of the kernel log a hundred thousand times a second. Five equal lines become events at once; after that, one event every ten seconds
says how often the driver has repeated the line in the meantime, also in \`${ATTRIBUTE.suppressedCount}\`. Only equal lines about one GPU are summed up like this,
and never lines about the fault of a job.

When only the kernel log reports an error, no process is known. The log event then waits a few seconds and names the likely victim if the activity of the
device's clients points to one; its body starts with "Probably", and \`${ATTRIBUTE.victimInferred}\` and \`${ATTRIBUTE.victimEvidence}\` say why. Metrics never guess.

${markdownTable([
  ['Event', 'Source', 'Severity', 'Counted in', 'What it means'],
  ...eventDefinitions.map((definition) => [
    `[\`${definition.name}\`](#${anchor(definition.name)})`,
    sourcesOf(definition),
    definition.logged ? `${SEVERITY_TEXT[gravest(definition)]} (${gravest(definition)})` : '',
    metricOf(definition),
    definition.summary,
  ]),
])}

## Sources

| Source | What it is | Needs |
| --- | --- | --- |
| \`watch_queue\` | records of the xe watch queue, one pipe for up to 256 clients; names the client | a kernel with [the watch-queue series](kernel.md#the-watch-queue-series) |
| \`trace\` | the trace of the xe driver in tracefs; names the process that lost a VM | uid 0 and a writable tracefs |
| \`kmsg\` | lines of the xe driver in the kernel log, from \`/dev/kmsg\` or \`syslog(2)\` | any kernel with xe |
| \`uevent\` | the kernel's own uevents over netlink | any kernel with xe; wedged devices since the DRM core announces them |
| \`simulator\` | made-up records in \`demo\`, written to a real pipe and read by the real reader | nothing |

## Attributes

${attributeTables(records)}

## Examples

${eventDefinitions.map((definition) => example(definition, records)).join('\n\n')}
`;
}

function attributeTables(records: readonly ExampleRecord[]): string {
  const tables = Object.entries(ATTRIBUTE_GROUPS).map(([group, title]) => {
    const rows = Object.entries(ATTRIBUTES)
      .filter(([, attribute]) => attribute.group === group)
      .map(([key, { meaning }]) => {
        const name = ATTRIBUTE[key as keyof typeof ATTRIBUTE];
        return [`\`${name}\``, typeOf(name, records), ...(group === 'event' ? [carriers(name, records)] : []), meaning];
      });
    const regions = group === 'memory' ? regionRows(records) : [];
    const head = ['Attribute', 'Type', ...(group === 'event' ? ['Events'] : []), 'Meaning'];
    return `### ${title}\n\n${markdownTable([head, ...regions, ...rows])}`;
  });
  return tables.join('\n\n');
}

function regionRows(records: readonly ExampleRecord[]): string[][] {
  return Object.entries(REGION_ATTRIBUTE).map(([key, name]) => [
    `\`${name('<region>')}\``,
    typeOf(name('vram0'), records),
    REGION_ATTRIBUTES[key as keyof typeof REGION_ATTRIBUTE],
  ]);
}

function typeOf(name: string, records: readonly ExampleRecord[]): string {
  const record = records.find(({ attributes }) => name in attributes);
  if (record === undefined) throw new Error(`no example record has the attribute ${name}`);
  return typeof record.attributes[name];
}

function carriers(name: string, records: readonly ExampleRecord[]): string {
  const names = new Set(records.filter(({ attributes }) => name in attributes).map((record) => record.event_name));
  const inOrder = eventDefinitions.filter((definition) => names.has(definition.name));
  return inOrder.map((definition) => `\`${definition.name}\``).join(', ');
}

function example(definition: EventDefinition, records: readonly ExampleRecord[]): string {
  const record = records.find(({ event_name: name }) => name === definition.name);
  const shown =
    record === undefined
      ? 'Counted as received, not logged.'
      : `\`\`\`json\n${JSON.stringify(record, null, 2)}\n\`\`\``;
  return `### ${definition.name}\n\n${shown}`;
}

function anchor(heading: string): string {
  return heading.replaceAll('.', '');
}

function sourcesOf(definition: EventDefinition): string {
  const sources = SOURCES_OF_A_NODE.filter((source) => isReceivedFrom(source, definition));
  return sources.length === 0 ? 'the exporter' : sources.map((source) => `\`${source}\``).join(', ');
}

/** Events that count in families of their own kind; the others declare a counter, or count nowhere. */
const METRICS = new Map<EventDefinition, readonly string[]>([
  [vmRebindError, [METRIC.vmRebindErrors, METRIC.clientVmRebindErrors]],
  [vmRebindOutcome, [METRIC.vmRebindOomOutcomes]],
  [eventsLost, [METRIC.eventsLost]],
]);

function metricOf(definition: EventDefinition): string {
  const names = METRICS.get(definition) ?? (definition.counter ? [definition.counter.name] : []);
  return names.map((name) => `\`${name}\``).join(', ');
}

/** Of an event of which nothing is known; a definition never takes the lighter course then. */
function gravest(definition: EventDefinition): Severity {
  const unknown = { source: 'kmsg', sequence: 1, realtimeNs: 0n, monotonicNs: 0n } as const;
  return definition.severity(eventOf({ ...unknown, definition }));
}
