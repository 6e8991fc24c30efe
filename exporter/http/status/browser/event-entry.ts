/** An event as /events sends it: a log record as JSON. */
export interface EventRecord {
  readonly timestamp: string;
  readonly event_name: string;
  readonly severity_number: number;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** Names of the attributes that an entry shows. */
export interface EntryAttributes {
  readonly pciBdf: string;
  readonly errorType: string;
  readonly eventOutcome: string;
  readonly k8sNamespace: string;
  readonly k8sPod: string;
  readonly executable: string;
  readonly victimInferred: string;
  readonly suppressedCount: string;
}

/** One event in the list of the status page, as text. */
export interface EventEntry {
  readonly level: 'bad' | 'warn' | 'info';
  /** In UTC, to the second. */
  readonly time: string;
  readonly badge: string;
  /** GPU, victim and suppressed records, as far as they are known. */
  readonly facts: string;
  /** Events with the same key are one entry of the list: the same happened to the same victim again. */
  readonly key: string;
}

/** Runs in the exporter for the page as served, and in the browser for each event that arrives later. */
export function eventEntry(record: EventRecord, names: EntryAttributes): EventEntry {
  const { timestamp, event_name: name, severity_number: severity, attributes } = record;
  const namespace = attributes[names.k8sNamespace];
  const pod = namespace === undefined ? undefined : `${namespace}/${attributes[names.k8sPod] ?? ''}`;
  const named = pod ?? attributes[names.executable];
  const victim = named === undefined ? '' : `${attributes[names.victimInferred] ? 'probably ' : ''}${named}`;
  const count = attributes[names.suppressedCount];
  const suppressed = count === undefined ? '' : `and ${count} like it`;
  const badge = String(attributes[names.errorType] ?? attributes[names.eventOutcome] ?? name);
  return {
    level: severity >= 17 ? 'bad' : severity >= 13 ? 'warn' : 'info',
    time: timestamp.slice(0, 19).replace('T', ' '),
    badge,
    facts: [attributes[names.pciBdf], victim, suppressed].filter(Boolean).join(' · '),
    key: [name, badge, attributes[names.pciBdf], victim].join(' '),
  };
}

/** What an entry that stands for several events says of them. @param first time of the first one, as in its record */
export function repeatText(count: number, first: string): string {
  return count === 1 ? '' : `×${count} since ${first.slice(11, 19)}`;
}
