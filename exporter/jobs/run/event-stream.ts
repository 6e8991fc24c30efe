/** One event of a stream of server-sent events. */
export interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

/** A line longer than any event of the exporter: whoever sends it is not the exporter. */
const LONGEST_LINE = 1024 * 1024;

/** Takes a stream of server-sent events apart (HTML standard, 9.2.6), as far as the exporter uses them. */
export class EventStreamParser {
  readonly #onEvent: (event: ServerSentEvent) => void;
  #rest = '';
  #name = '';
  #data: string[] = [];
  /** Where to go on after the connection has broken. */
  lastEventId: string | undefined;

  constructor(onEvent: (event: ServerSentEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Forgets what was not complete when a connection broke. */
  reset(): void {
    this.#rest = '';
    this.#name = '';
    this.#data = [];
  }

  /** @returns false when this is no stream of the exporter's events */
  push(text: string): boolean {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#take(line.endsWith('\r') ? line.slice(0, -1) : line);
    return this.#rest.length <= LONGEST_LINE && this.#data.length <= 1;
  }

  #take(line: string): void {
    if (line === '') return this.#dispatch();
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') this.#name = value;
    if (field === 'data') this.#data.push(value);
    if (field === 'id') this.lastEventId = value;
  }

  #dispatch(): void {
    const data = this.#data.join('\n');
    if (data !== '') this.#onEvent({ name: this.#name, data });
    this.#name = '';
    this.#data = [];
  }
}
