import { errnoName } from '../../wire/errno.js';
import type { DeviceTable } from '../../host/device-table.js';
import type { NativeAddon } from '../../native/binding.js';
import { parseSyslogLine } from '../../wire/kernel-log.js';
import { now } from '../message-run.js';
import type { BatchHandler } from '../source.js';
import type { SourceRun } from '../supervised-source.js';
import { deliverLine } from './deliver-line.js';
import type { SyslogTail } from './syslog-tail.js';

/** The end of the ring, where a second's lines normally are; the whole is read when they are more. */
const TAIL_BYTES = 64 << 10;
/** A ring is larger as text, with its time stamps, than in the kernel; readKernelRing takes no more. */
const MAX_BYTES = 64 << 20;

export interface SyslogRunOptions {
  readonly native: Pick<NativeAddon, 'readKernelRing'>;
  readonly devices: Pick<DeviceTable, 'at' | 'named'>;
  readonly tail: SyslogTail;
  readonly handler: BatchHandler;
  readonly onDied: (reason: string) => void;
  readonly intervalMs?: number;
}

/** Looks at the kernel log through syslog(2), again and again. */
export class SyslogRun implements SourceRun {
  readonly #options: SyslogRunOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: SyslogRunOptions) {
    this.#options = options;
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#look();
    }, this.#options.intervalMs ?? 1_000);
  }

  async #look(): Promise<void> {
    const { native, tail, onDied } = this.#options;
    let ring = await native.readKernelRing(TAIL_BYTES);
    if ('text' in ring && !tail.continues(asBuffer(ring.text))) {
      ring = await native.readKernelRing(Math.min(4 * ring.ringBytes, MAX_BYTES));
    }
    if ('operation' in ring) {
      if (!this.#stopped) onDied(`${ring.operation} failed with ${errnoName(ring.errno)}`);
      return;
    }
    this.#deliver(asBuffer(ring.text));
    if (!this.#stopped) this.#schedule();
  }

  #deliver(ring: Buffer): void {
    const { tail, devices, handler } = this.#options;
    const { text, lost } = tail.next(ring);
    if (lost) handler({ kind: 'loss', source: 'kmsg', ...now(), messages: 1 });
    for (const entry of text.toString('utf8').split('\n')) {
      const line = parseSyslogLine(entry);
      if (line?.fromXe || line?.message.startsWith('[TTM] ')) deliverLine(line, now(), devices, handler);
    }
  }
}

function asBuffer(text: Uint8Array): Buffer {
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}
