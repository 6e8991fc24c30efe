import assert from 'node:assert/strict';
import type { MessageReaderOptions, MessageStats, NativeMessageReader } from '../../exporter/native/binding.js';
import { waitFor } from '../helpers/wait-for.js';
import { addon, parseFrames } from './harness.js';

export const [EPERM, ENOENT, EINTR, EIO, EBADF, EAGAIN, EINVAL, ENODEV, EPIPE, ENOBUFS] = [
  1, 2, 4, 5, 9, 11, 22, 19, 32, 105,
];

export const KMSG = { protocol: 'kmsg', backend: 'fake', path: '/dev/kmsg', sinceBoot: false } as const;
export const UEVENT = { protocol: 'uevent', backend: 'fake', receiveBytes: 1 << 20 } as const;

/** The common part of the options may be left out. */
type Options = { [Key in keyof MessageReaderOptions]?: MessageReaderOptions[Key] } & (
  | { protocol: 'kmsg'; backend: 'linux' | 'fake'; path: string; sinceBoot: boolean }
  | { protocol: 'uevent'; backend: 'linux' | 'fake'; receiveBytes: number }
  | { protocol: 'trace'; backend: 'linux' | 'fake'; path: string }
);

export function makeMessageReader(options: Options): NativeMessageReader {
  return new addon.MessageReader({ keep: [], queueBytes: 1 << 20, onReady: () => {}, ...options });
}

const drainBuffer = new Uint8Array(2 * addon.minDrainBytes);

/** Drains until the queue is empty. */
export function drainMessages(reader: NativeMessageReader): string[] {
  const messages: string[] = [];
  for (;;) {
    const written = reader.drain(drainBuffer);
    if (written === 0) return messages;
    for (const { pipe, bytes } of parseFrames(drainBuffer.slice(0, written))) {
      assert.equal(pipe, 0);
      messages.push(bytes.toString('latin1'));
    }
  }
}

/** An open reader that drains and looks at the figures on every call, as the exporter does. */
export class Listener {
  readonly messages: string[] = [];
  calls = 0;
  /** As of the last call. */
  seen: MessageStats | undefined;
  readonly reader: NativeMessageReader;

  constructor(t: { after(fn: () => void): void }, options: Options) {
    this.reader = makeMessageReader({ ...options, onReady: () => this.#ready() });
    assert.equal(this.reader.open(), undefined);
    t.after(() => this.reader.close());
  }

  #ready(): void {
    this.calls++;
    this.messages.push(...drainMessages(this.reader));
    this.seen = this.reader.stats();
  }

  /** Posts records of the kernel log: a text is from the kernel, or has its own priority in front. */
  log(sequence: number, text: string, priority = 6): void {
    this.post(`${priority},${sequence},1000,-;${text}`);
  }

  post(message: string, sender = 0): void {
    assert.ok(this.reader.post(Buffer.from(message, 'latin1'), sender));
  }

  /** The figures that are not 0, once everything posted has been read. */
  async settled(reads: Partial<MessageStats>): Promise<MessageStats> {
    await waitFor(
      () => Object.entries(reads).every(([key, value]) => this.seen?.[key as keyof MessageStats] === value),
      {
        what: `${JSON.stringify(reads)}, not ${JSON.stringify(this.seen)}`,
      },
    );
    return this.reader.stats();
  }
}
