// Notes down everything that the native readers read, before any of it is parsed. Guest side.
import type { XeClient } from '../../exporter/clients/client.js';
import type { ClientTableListener } from '../../exporter/clients/client-table.js';
import type { BorrowRequest, MessageReaderOptions, NativeAddon, NativeResult } from '../../exporter/native/binding.js';
import { forEachFrame } from '../../exporter/sources/batch-frames.js';
import type { Recorded, RecordedClient } from '../golden/recording.js';

type Message = Recorded extends infer Each ? (Each extends Recorded ? Omit<Each, 'at'> : never) : never;

export class Recorder {
  readonly clients: RecordedClient[] = [];
  readonly #messages: Recorded[] = [];
  /** The process whose file each watch id of each pipe is on. */
  readonly #pidOf = new Map<string, number>();
  readonly #clientOf = new Map<number, number>();

  /** The messages in the order of their times, which is nearly that in which they were read. */
  get messages(): readonly Recorded[] {
    return this.#messages.toSorted((a, b) => Number(BigInt(a.at) - BigInt(b.at)));
  }

  readonly clientListener: ClientTableListener = {
    added: ({ client }) => {
      const { drmClientId, workload, device, process } = client;
      const { pid, executable } = process;
      this.#clientOf.set(pid, drmClientId);
      this.clients.push({ drmClientId, workload, pciBdf: device.pciBdf, pid, executable });
      this.#noteClient('client_added', client);
    },
    removed: ({ client }) => this.#noteClient('client_removed', client),
  };

  /** The addon, with readers that note what they are asked to drain. */
  tap(native: NativeAddon): NativeAddon {
    const drained = (target: Uint8Array, length: number, message: (pipe: number, bytes: Buffer) => Message): void => {
      const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
      forEachFrame(view, length, (pipe, start, end, _realtimeNs, monotonicNs) => {
        this.#note(monotonicNs, message(pipe, Buffer.from(target.subarray(start, end))));
      });
    };
    const borrowed = ({ pipe, watchId, pid }: BorrowRequest) => this.#pidOf.set(`${pipe}/${watchId}`, pid);
    const ownersOf = (pipe: number) => this.#ownersOf(pipe);
    return {
      ...native,
      Reader: class extends native.Reader {
        override drain(target: Uint8Array): number {
          const length = super.drain(target);
          drained(target, length, (pipe, bytes) => ({
            what: 'watch_queue',
            bytes: bytes.toString('base64'),
            owners: ownersOf(pipe),
          }));
          return length;
        }

        override borrow(request: BorrowRequest): Promise<NativeResult> {
          borrowed(request);
          return super.borrow(request);
        }
      },
      MessageReader: class extends native.MessageReader {
        readonly #what: 'kmsg' | 'uevent' | 'trace';

        constructor(options: MessageReaderOptions) {
          super(options);
          this.#what = options.protocol;
        }

        override drain(target: Uint8Array): number {
          const length = super.drain(target);
          const what = this.#what;
          if (what !== 'trace') drained(target, length, (_pipe, bytes) => ({ what, text: bytes.toString('utf8') }));
          return length;
        }
      },
    };
  }

  #ownersOf(pipe: number): Record<string, number> {
    const owners: Record<string, number> = {};
    for (const [key, pid] of this.#pidOf) {
      const [inPipe, watchId = ''] = key.split('/');
      const client = this.#clientOf.get(pid);
      if (Number(inPipe) === pipe && client !== undefined) owners[watchId] = client;
    }
    return owners;
  }

  #noteClient(what: 'client_added' | 'client_removed', { drmClientId }: XeClient): void {
    this.#note(process.hrtime.bigint(), { what, drmClientId });
  }

  #note(monotonicNs: bigint, message: Message): void {
    this.#messages.push({ at: String(monotonicNs), ...message } as Recorded);
  }
}
