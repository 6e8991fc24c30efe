import type { ClientEntry, ClientTableListener } from '../../clients/client-table.js';
import type { EventDefinition } from '../../events/device-event.js';
import { errnoName } from '../../wire/errno.js';
import type { XeDevice } from '../../host/device.js';
import type {
  NativeAddon,
  NativeFailure,
  NativeReader,
  NotificationBackend,
  ReaderStats,
} from '../../native/binding.js';
import type { AttachFailureReason, SourceName } from '../../names.js';
import { forEachRecord, META_SUBTYPE, WATCH_TYPE } from '../../wire/watch-notification.js';
import type { Source, SourceContext, WatchBatch } from '../source.js';
import { Attacher } from './attacher.js';
import { forEachFrame } from '../batch-frames.js';
import { DeviceSupport } from './device-support.js';
import { kernelFilter } from './kernel-filter.js';
import { PipePool } from './pipe-pool.js';
import { pipeSupport, type WatchSupport } from './probe.js';

/** One turn of the event loop delivers at most this much, so that a flood leaves room for scrapes, timers and signals. */
const DRAIN_BYTES = 1 << 18;

export interface WatchQueueSourceOptions extends Pick<SourceContext, 'clients' | 'features'> {
  readonly name: Extract<SourceName, 'watch_queue' | 'simulator'>;
  readonly backend: NotificationBackend;
  readonly native: Pick<NativeAddon, 'Reader' | 'minDrainBytes'>;
  readonly queueBytes: number;
  readonly devices: Pick<SourceContext['devices'], 'devices'>;
  readonly wanted: readonly EventDefinition[];
  /** Finds the watch ioctl of a device; must not reject. */
  readonly probe: (device: XeDevice) => Promise<WatchSupport>;
  readonly accounting: Pick<SourceContext['accounting'], 'upChanged' | 'dropped' | 'queuePeak' | 'attachFailed'>;
}

/**
 * Watches every client of the table through notification pipes and delivers their records. The same class runs over the
 * kernel's pipes and over the fake ones of the simulator and the tests.
 */
export class WatchQueueSource implements Source {
  readonly name;
  readonly #options: WatchQueueSourceOptions;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  readonly #devices: DeviceSupport;
  #reader: NativeReader | undefined;
  /** Set when no notification pipe can be made. */
  #pipeSupport: WatchSupport | undefined;
  #pool: PipePool | undefined;
  #attacher: Attacher | undefined;
  #handler: (batch: WatchBatch) => void = () => undefined;
  #nextTurn: NodeJS.Immediate | undefined;
  #dropped = 0;
  #queuePeak = 0;
  #denied = false;
  #stopped: Promise<void> | undefined;

  constructor(options: WatchQueueSourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#buffer = new Uint8Array(Math.max(DRAIN_BYTES, options.native.minDrainBytes));
    this.#view = new DataView(this.#buffer.buffer);
    this.#devices = new DeviceSupport({
      probe: options.probe,
      onProven: (device) => this.#attachAll(device),
      onChanged: () => this.#reportDevices(),
    });
  }

  readonly deviceListener = {
    added: (device: XeDevice) => void this.deviceAdded(device),
    removed: (device: XeDevice) => this.deviceRemoved(device),
  };

  readonly clientListener: ClientTableListener = {
    added: (entry) => this.#attacher?.enqueue(entry),
    removed: (entry) => this.#attacher?.removed(entry),
    suspected: (entry) => this.#attacher?.suspected(entry),
    reconciled: () => {
      this.#attacher?.reconciled();
      this.#devices.probeAgain();
    },
  };

  // The first pipe shows whether the kernel has notification pipes at all; then the devices decide.
  start(handler: (batch: WatchBatch) => void): Promise<void> {
    const { native, backend, queueBytes, devices, wanted } = this.#options;
    this.#handler = handler;
    const reader = new native.Reader({ backend, queueBytes, onReady: () => this.#drain() });
    this.#reader = reader;
    const pool = new PipePool(reader, kernelFilter(wanted));
    const refused = pool.open();
    if (refused !== undefined) this.#pipeSupport = pipeSupport(refused);
    else this.#watchThrough(reader, pool);
    this.#upChanged();
    for (const device of devices.devices) void this.deviceAdded(device);
    if (devices.devices.length === 0) this.#reportIdle();
    return Promise.resolve();
  }

  #watchThrough(reader: NativeReader, pool: PipePool): void {
    const { clients } = this.#options;
    this.#pool = pool;
    this.#attacher = new Attacher({
      reader,
      pool,
      clients,
      requestFor: (device) => this.#devices.requestFor(device),
      onAttached: () => this.#attached(),
      onFailed: (_entry, reason, failure) => this.#attachFailed(reason, failure),
    });
  }

  /** Probes a device that was bound; its clients are watched once the ioctl is proven. Before the start, that takes them all. */
  async deviceAdded(device: XeDevice): Promise<void> {
    if (this.#reader === undefined) return;
    // What the kernel lacks matters only on a node with a device.
    if (this.#pipeSupport !== undefined) this.#report(this.#pipeSupport);
    else await this.#devices.add(device);
  }

  /** A device was unbound. All that is held on it are its clients' watch ids, which their removal notices free. */
  deviceRemoved(device: XeDevice): void {
    if (this.#reader === undefined) return;
    this.#devices.remove(device);
    if (this.#devices.empty) this.#reportIdle();
  }

  /** There is nothing to watch, and nothing is wrong. */
  #reportIdle(): void {
    this.#options.features.report('watch_queue', 'disabled', 'this node has no xe device');
    this.#upChanged();
  }

  settled(): Promise<void> {
    return this.#devices.probed();
  }

  want(wanted: readonly EventDefinition[]): NativeFailure | undefined {
    return this.#pool?.setFilter(kernelFilter(wanted));
  }

  /** True when pipes can be made and, if the node has devices, at least one of them can be watched. */
  get up(): boolean {
    if (this.#pool === undefined || this.#stopped !== undefined) return false;
    const { best } = this.#devices;
    return best === undefined || best.request !== undefined;
  }

  /**
   * Posts a record for a client's watch into its pipe. Only over the fake backend: simulator and tests.
   *
   * @returns false while the client is not watched.
   */
  post(entry: ClientEntry, record: (watchId: number) => Uint8Array): boolean {
    const slot = this.#pool?.slotOf(entry);
    if (slot?.state !== 'attached') return false;
    this.#reader?.post(slot.pipe, record(slot.watchId));
    return true;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await Promise.all([this.#attacher?.stop(), this.#devices.probed()]);
    // Closing the pipes removes every watch; what was read before is still delivered.
    this.#reader?.close();
    clearImmediate(this.#nextTurn);
    while (this.#deliverSome());
    this.#upChanged();
  }

  #drain(): void {
    clearImmediate(this.#nextTurn);
    if (this.#deliverSome()) this.#nextTurn = setImmediate(() => this.#drain());
  }

  /** Delivers one buffer of what was read. @returns whether there may be more; if not, the next arrival wakes us. */
  #deliverSome(): boolean {
    const reader = this.#reader;
    if (reader === undefined) return false;
    const length = reader.drain(this.#buffer);
    forEachFrame(this.#view, length, (pipe, start, end, realtimeNs, monotonicNs) => {
      const owners = this.#pool?.owners(pipe) ?? [];
      this.#handler({
        kind: 'watch_queue',
        source: this.name,
        view: this.#view,
        start,
        end,
        realtimeNs,
        monotonicNs,
        owners,
      });
      this.#follow(pipe, start, end);
    });
    const stats = reader.stats();
    this.#countDropped(stats);
    this.#countQueued(stats);
    return length > 0;
  }

  /** Applies the records to the watch ids, after delivery: a removal frees one, a loss puts all of the pipe in doubt. */
  #follow(pipe: number, start: number, end: number): void {
    forEachRecord(this.#view, start, end, (type, subtype, watchId) => {
      if (type !== WATCH_TYPE.META) return;
      if (subtype === META_SUBTYPE.LOSS) return this.#removalsMayBeLost(pipe);
      const slot = subtype === META_SUBTYPE.REMOVAL ? this.#pool?.slot(pipe, watchId) : undefined;
      if (slot) this.#attacher?.removalRead(slot);
    });
  }

  #countDropped({ recordsDropped }: ReaderStats): void {
    if (recordsDropped === this.#dropped) return;
    this.#options.accounting.dropped(this.name, recordsDropped - this.#dropped);
    this.#dropped = recordsDropped;
    for (let pipe = 0; pipe < (this.#pool?.size ?? 0); pipe++) this.#removalsMayBeLost(pipe);
  }

  #countQueued({ queuedBytesPeak }: ReaderStats): void {
    if (queuedBytesPeak === this.#queuePeak) return;
    this.#options.accounting.queuePeak(this.name, queuedBytesPeak);
    this.#queuePeak = queuedBytesPeak;
  }

  #removalsMayBeLost(pipe: number): void {
    for (const entry of this.#pool?.entriesOf(pipe) ?? []) this.#options.clients.suspect(entry);
  }

  #attached(): void {
    if (!this.#denied) return;
    this.#denied = false;
    this.#reportDevices();
  }

  #attachFailed(reason: AttachFailureReason, { operation, errno }: NativeFailure): void {
    this.#options.accounting.attachFailed(reason);
    if (reason !== 'denied' || this.#denied) return;
    // While others can be watched, the coverage gauges show the few that cannot.
    for (const { watched } of this.#options.clients.entries()) if (watched) return;
    this.#denied = true;
    this.#options.features.report(
      'watch_queue',
      'denied',
      `${operation} on a GPU client failed with ${errnoName(errno)}`,
      'Give CAP_SYS_PTRACE and hostPID; kernel.yama.ptrace_scope must be below 3; AppArmor must be unconfined.',
    );
  }

  #attachAll(device: XeDevice): void {
    if (this.#stopped !== undefined) return;
    for (const entry of this.#options.clients.entries()) {
      if (entry.client.device === device) this.#attacher?.enqueue(entry);
    }
  }

  #reportDevices(): void {
    const { best } = this.#devices;
    if (best && !this.#denied && this.#stopped === undefined) this.#report(best);
    this.#upChanged();
  }

  #report({ state, reason, fix }: WatchSupport): void {
    this.#options.features.report('watch_queue', state, reason, fix);
  }

  #upChanged(): void {
    this.#options.accounting.upChanged(this.name, this.up);
  }
}
