import type { Moved } from '../../exporter/metrics/move-metrics.js';
import type { Config } from '../../exporter/config/schema.js';
import { DeviceTable } from '../../exporter/host/device-table.js';
import type {
  MessageReaderOptions,
  NativeAddon,
  NativeMessageReader,
  NativeResult,
} from '../../exporter/native/binding.js';
import { loadNative } from '../../exporter/native/load.js';
import { ClientTable } from '../../exporter/clients/client-table.js';
import { FeatureBoard } from '../../exporter/features.js';
import type { BatchHandler, SourceContext, StampedBatch } from '../../exporter/sources/source.js';
import type { Opened, OpenSource } from '../../exporter/sources/supervised-source.js';
import { waitFor } from './wait-for.js';

const addon = loadNative();

type Settings = Partial<
  Pick<
    Config,
    | 'kmsg'
    | 'kmsgSinceBoot'
    | 'uevent'
    | 'coredumpDir'
    | 'coredumpMaxBytes'
    | 'trace'
    | 'traceEvictions'
    | 'sysRoot'
    | 'procRoot'
    | 'tracefsRoot'
    | 'memoryInterval'
    | 'readerQueueBytes'
  >
>;
type Ring = Awaited<ReturnType<NativeAddon['readKernelRing']>>;

export interface MessageSourceOptions {
  readonly config?: Settings;
  /** What opening the device is refused with. */
  readonly refusal?: NativeResult | ((options: MessageReaderOptions) => NativeResult);
  /** What syslog(2) says; called for every look. */
  readonly ring?: (maxBytes: number) => Ring;
  /** Takes the batches instead of {@link MessageSourceUnderTest.batches}. */
  readonly handler?: BatchHandler;
}

/** One source of kernel messages over the real reader thread and a fake device, with a record of all it delivers. */
export class MessageSourceUnderTest {
  readonly batches: StampedBatch[] = [];
  readonly deaths: string[] = [];
  readonly readers: NativeMessageReader[] = [];
  readonly readerOptions: MessageReaderOptions[] = [];
  readonly devices: DeviceTable;
  /** Sysfs was looked at again. */
  refreshes = 0;
  dropped = 0;
  /** What the driver has evicted and restored, look by look. */
  readonly moved: [pciBdf: string, moved: Moved][] = [];
  readonly evictedFor: [pciBdf: string, pid: number, bytes: number][] = [];
  readonly gpuProcesses: number[] = [];
  readonly features = new FeatureBoard();
  /** Copies of coredumps, by result. */
  readonly copies: Record<string, number> = {};
  /** Called for every batch before it is recorded. */
  onBatch: () => void = () => undefined;
  readonly #open: () => Promise<Opened>;

  constructor(
    t: { after(fn: () => unknown): void },
    source: (context: SourceContext) => OpenSource,
    options: MessageSourceOptions = {},
  ) {
    const { config, refusal, ring, handler = (batch) => this.#take(batch) } = options;
    const settings = {
      kmsg: 'auto',
      kmsgSinceBoot: false,
      uevent: 'auto',
      trace: 'auto',
      sysRoot: '/nowhere',
      procRoot: '/proc',
      tracefsRoot: '/nowhere',
      memoryInterval: 15_000,
      traceEvictions: true,
    } as const;
    this.devices = DeviceTable.overSysfs(config?.sysRoot ?? settings.sysRoot);
    this.devices.subscribe({ added: () => this.refreshes++, removed: () => this.refreshes++ });
    this.devices.refresh();
    const open = source({
      config: {
        coredumpMaxBytes: 4 << 20,
        devRoot: '/nowhere',
        readerQueueBytes: 1 << 20,
        ...settings,
        ...config,
      } as Config,
      native: {
        ...addon,
        MessageReader: this.#readerClass(refusal),
        ...(ring && { readKernelRing: async (n) => ring(n) }),
      },
      devices: this.devices,
      clients: new ClientTable(1),
      features: this.features,
      accounting: {
        dropped: (_source, count) => (this.dropped += count),
        upChanged: () => undefined,
        restarted: () => undefined,
        queuePeak: () => undefined,
        attachFailed: () => undefined,
        moved: (pciBdf, moved) => void this.moved.push([pciBdf, moved]),
      },
      onEvictedFor: (...request) => void this.evictedFor.push(request),
      onCoredumpCopies: (result, copies) => (this.copies[result] = (this.copies[result] ?? 0) + copies),
      onGpuProcess: (pid) => this.gpuProcesses.push(pid),
    });
    this.#open = () => open(handler, (reason) => this.deaths.push(reason));
    t.after(() => this.readers.forEach((reader) => reader.close()));
  }

  open(): Promise<Opened> {
    return this.#open();
  }

  get reader(): NativeMessageReader {
    return this.readers.at(-1)!;
  }

  post(message: string): void {
    if (!this.reader.post(Buffer.from(message))) throw new Error('not taken');
  }

  kinds(): string[] {
    return this.batches.map(({ kind }) => kind);
  }

  async delivered(count: number): Promise<void> {
    await waitFor(() => this.batches.length >= count, { what: `${count} batches, not ${this.batches.length}` });
  }

  #take(batch: StampedBatch): void {
    this.onBatch();
    this.batches.push(batch);
  }

  #readerClass(refusal: MessageSourceOptions['refusal']): NativeAddon['MessageReader'] {
    const { readers, readerOptions } = this;
    return class extends addon.MessageReader {
      readonly #options: MessageReaderOptions;

      constructor(options: MessageReaderOptions) {
        super({ ...options, backend: 'fake' });
        this.#options = options;
        readers.push(this);
        readerOptions.push(options);
      }

      override open(): NativeResult {
        return (typeof refusal === 'function' ? refusal(this.#options) : refusal) ?? super.open();
      }
    };
  }
}
