import assert from 'node:assert/strict';
import type { XeClient } from '../../exporter/clients/client.js';
import { ClientTable, type ClientEntry } from '../../exporter/clients/client-table.js';
import { eventDefinitions } from '../../exporter/events/index.js';
import type { XeDevice } from '../../exporter/host/device.js';
import type {
  BorrowRequest,
  DrmFd,
  NativeAddon,
  NativeReader,
  NativeResult,
  ReaderOptions,
} from '../../exporter/native/binding.js';
import { loadNative } from '../../exporter/native/load.js';
import type { WatchSupport } from '../../exporter/sources/watch-queue/probe.js';
import { WatchQueueSource } from '../../exporter/sources/watch-queue/source.js';
import { FeatureBoard } from '../../exporter/features.js';
import type { AttachFailureReason } from '../../exporter/names.js';
import { forEachRecord } from '../../exporter/wire/watch-notification.js';
import { aClient, aDevice } from './events.js';
import { waitFor } from './wait-for.js';

export const addon = loadNative();

/** Decides about one attach instead of the fake backend, which lets everything succeed. */
export type Borrow = (request: BorrowRequest, real: () => Promise<NativeResult>) => Promise<NativeResult>;

/** One record as a handler saw it. */
export interface Seen {
  readonly type: number;
  readonly subtype: number;
  readonly watchId: number;
  /** Who the watch id stood for when the batch was delivered. */
  readonly owner: XeClient | undefined;
}

export interface WatchedNodeOptions {
  readonly limit?: number;
  readonly queueBytes?: number;
  readonly borrow?: Borrow;
  readonly probe?: (device: XeDevice) => Promise<WatchSupport>;
  readonly refuseOpen?: () => NativeResult;
}

export const ACTIVE: WatchSupport = { request: 1, state: 'active', reason: '', fix: '', retry: false };

/** A watch-queue source over the real reader thread and fake pipes, with a device, a client table, and a record of everything. */
export class WatchedNode {
  readonly device = aDevice();
  readonly clients: ClientTable;
  readonly features = new FeatureBoard();
  readonly source: WatchQueueSource;
  readonly seen: Seen[] = [];
  readonly failures: AttachFailureReason[] = [];
  readonly ups: boolean[] = [];
  dropped = 0;
  queuePeak = 0;
  /** Called for every batch, before its records are looked at by the source. */
  onBatch: () => void = () => undefined;
  readers: NativeReader[] = [];

  constructor(options: WatchedNodeOptions = {}) {
    this.clients = new ClientTable(options.limit ?? 8192);
    this.source = new WatchQueueSource({
      name: 'watch_queue',
      backend: 'fake',
      native: { Reader: this.#readerClass(options), minDrainBytes: addon.minDrainBytes },
      queueBytes: options.queueBytes ?? 4 << 20,
      devices: { devices: [this.device] },
      clients: this.clients,
      features: this.features,
      wanted: eventDefinitions,
      probe: options.probe ?? (() => Promise.resolve(ACTIVE)),
      accounting: {
        queuePeak: (_source, bytes) => (this.queuePeak = bytes),
        attachFailed: (reason) => this.failures.push(reason),
        dropped: (_source, count) => (this.dropped += count),
        upChanged: (_source, up) => this.ups.push(up),
      },
    });
    this.clients.subscribe(this.source.clientListener);
  }

  /** Starts, with the device probed. */
  async start(): Promise<this> {
    await this.source.start(({ view, start, end, owners }) => {
      this.onBatch();
      forEachRecord(view, start, end, (type, subtype, watchId) => {
        this.seen.push({ type, subtype, watchId, owner: owners[watchId] });
      });
    });
    await this.source.settled();
    return this;
  }

  /** A client that opened the device, in a process of its own. */
  arrive(drmClientId: number, holders = [this.fdOf(drmClientId)]): ClientEntry {
    const client = aClient({ drmClientId, device: this.device, process: { pid: 10_000 + drmClientId } });
    const entry = this.clients.add(client, holders);
    assert.ok(entry, 'there is room in the table');
    return entry;
  }

  async arriveWatched(drmClientId: number): Promise<ClientEntry> {
    const entry = this.arrive(drmClientId);
    await waitFor(() => entry.watched, { what: `a watch on client ${drmClientId}` });
    return entry;
  }

  fdOf(drmClientId: number): DrmFd {
    return { pid: 10_000 + drmClientId, fd: 5, minor: 128, startTime: BigInt(drmClientId), comm: 'app' };
  }

  /** One look that finds exactly these clients. */
  look(...present: readonly ClientEntry[]): void {
    this.clients.reconcile(new Map(present.map(({ client }) => [client.drmClientId, [this.fdOf(client.drmClientId)]])));
  }

  get reader(): NativeReader {
    return this.readers[0]!;
  }

  #readerClass({ borrow, refuseOpen }: WatchedNodeOptions): NativeAddon['Reader'] {
    const { readers } = this;
    // A plain function: what `new` gives is the object it returns.
    return function (options: ReaderOptions): NativeReader {
      const real = new addon.Reader(options);
      const reader: NativeReader = {
        open: (records) => refuseOpen?.() ?? real.open(records),
        setFilter: (pipe, filters) => real.setFilter(pipe, filters),
        drain: (target) => real.drain(target),
        borrow: (request) => (borrow ? borrow(request, () => real.borrow(request)) : real.borrow(request)),
        post: (pipe, bytes) => real.post(pipe, bytes),
        stats: () => real.stats(),
        close: () => real.close(),
      };
      readers.push(reader);
      return reader;
    } as unknown as NativeAddon['Reader'];
  }
}
