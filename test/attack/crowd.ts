import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface CrowdOptions {
  readonly url: string;
  readonly size: number;
  /** Sent by each on its connection. */
  readonly text: string;
  /** Whether the answers are read. */
  readonly reads?: boolean;
  /** Source addresses, in turn. */
  readonly from?: readonly string[];
  /** Whether whoever is cut off comes back, after two seconds. */
  readonly returns?: boolean;
}

/** Connections that all send the same, on this machine; gone at the end of the test. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #open = new Set<Socket>();
  #ended = false;
  /** Connections made, first and again. */
  made = 0;

  private constructor(options: CrowdOptions) {
    this.#options = options;
  }

  static gather(t: TestContext, options: CrowdOptions): Crowd {
    const crowd = new Crowd(options);
    for (let index = 0; index < options.size; index++) crowd.#join(index);
    t.after(() => crowd.disperse());
    return crowd;
  }

  /** Connections open now. */
  get open(): number {
    return this.#open.size;
  }

  disperse(): void {
    this.#ended = true;
    for (const socket of this.#open) socket.destroy();
  }

  #join(index: number): void {
    if (this.#ended) return;
    const { url, text, reads = false, from = ['127.0.0.1'], returns = false } = this.#options;
    const localAddress = from[index % from.length] ?? '127.0.0.1';
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), localAddress });
    this.made++;
    this.#open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#open.delete(socket);
      // With a pause: the attack is to hold connections, not to keep the kernel busy.
      if (returns) setTimeout(() => this.#join(index), 2000).unref();
    });
    socket.on('connect', () => socket.write(text));
    if (reads) socket.resume();
    else socket.pause();
  }
}

/** A request as it stands on the wire. */
export function get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`;
}

/** The header of basic authentication. */
export const basic = (user: string, password: string): Readonly<Record<string, string>> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
