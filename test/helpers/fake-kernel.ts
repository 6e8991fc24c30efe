import { constants } from 'node:os';
import type {
  MessageOrigin,
  MessageReaderOptions,
  NativeAddon,
  NativeMessageReader,
  NativeReader,
  NativeResult,
  ReaderOptions,
} from '../../exporter/native/binding.js';
import { loadNative } from '../../exporter/native/load.js';

const addon = loadNative();
const { EBUSY, EIO } = constants.errno;

/** The real addon and its real reader threads, over the fake backends: what a source reads is what a test posts. */
export class FakeKernel {
  readonly native: NativeAddon;
  /** What opening anything is refused with. */
  refusal: NativeResult;
  /** How many readers were made. */
  opened = 0;
  readonly #readers = new Map<MessageOrigin['protocol'], NativeMessageReader>();
  readonly #pipes: NativeReader[] = [];

  constructor() {
    const made = (): NativeResult => (this.opened++, this.refusal);
    const [readers, pipes] = [this.#readers, this.#pipes];
    this.native = {
      ...addon,
      Reader: class extends addon.Reader {
        readonly #refusal: NativeResult;

        constructor(options: ReaderOptions) {
          super({ ...options, backend: 'fake' });
          this.#refusal = made();
          pipes.push(this);
        }

        override open(...args: Parameters<NativeReader['open']>): ReturnType<NativeReader['open']> {
          return this.#refusal ?? super.open(...args);
        }
      },
      MessageReader: class extends addon.MessageReader {
        readonly #refusal: NativeResult;

        constructor(options: MessageReaderOptions) {
          super({ ...options, backend: 'fake' });
          this.#refusal = made();
          readers.set(options.protocol, this);
        }

        override open(): NativeResult {
          return this.#refusal ?? super.open();
        }
      },
      probe: () => Promise.resolve({ driver: 'xe', attachErrno: 0, repeatErrno: EBUSY, removalSeen: true }),
      readKernelRing: async () => this.refusal ?? { text: new Uint8Array(), ringBytes: 0 },
    };
  }

  /** What the kernel says next to the reader of a protocol. */
  post(protocol: MessageOrigin['protocol'], message: string | Uint8Array): void {
    if (!this.#readers.get(protocol)?.post(Buffer.from(message))) throw new Error(`${protocol}: not taken`);
  }

  /** Messages and records that the reader threads have read so far. */
  get read(): number {
    const messages = [...this.#readers.values()].map((reader) => reader.stats().read);
    const records = this.#pipes.map((reader) => reader.stats().recordsRead);
    return [...messages, ...records].reduce((sum, count) => sum + count, 0);
  }

  /** The reader of a protocol fails. */
  fail(protocol: MessageOrigin['protocol']): void {
    if (!this.#readers.get(protocol)?.postError(EIO)) throw new Error(`${protocol}: not taken`);
  }
}
