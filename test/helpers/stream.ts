import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { waitFor } from './wait-for.js';

/** One event of a stream as a client gets it. */
export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A plain client of /events on a socket: what it reads, and when. */
export class StreamReader {
  readonly socket: Socket;
  /** Everything that came, head and chunk marks included. */
  text = '';
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (chunk: string) => (this.text += chunk));
    socket.on('error', () => undefined).on('close', () => (this.closed = true));
  }

  static async open(
    url: string,
    path = '/events',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<StreamReader> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const reader = new StreamReader(socket);
    await once(socket, 'connect');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`);
    return reader;
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.text)?.[1] ?? 0);
  }

  /** The stream without head and chunk marks. */
  get body(): string {
    let rest = this.text.slice(this.text.indexOf('\r\n\r\n') + 4);
    let body = '';
    for (let size; (size = /^([0-9a-f]+)\r\n/.exec(rest));) {
      const length = parseInt(size[1] ?? '', 16);
      body += rest.slice(size[0].length, size[0].length + length);
      rest = rest.slice(size[0].length + length + 2);
    }
    return body;
  }

  get events(): StreamedEvent[] {
    return this.body.split('\n\n').flatMap((block) => {
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
      const data = fields.get('data');
      if (data === undefined) return [];
      const event = { id: fields.get('id') ?? '', event: fields.get('event') ?? '' };
      return [{ ...event, data: JSON.parse(data) as Record<string, unknown> }];
    });
  }

  /** The id a client would send when it came back now. */
  get lastId(): string {
    return [...this.body.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }

  async until(condition: (reader: this) => boolean, what: string): Promise<this> {
    await waitFor(() => condition(this), { what });
    return this;
  }

  close(): void {
    this.socket.destroy();
  }
}
