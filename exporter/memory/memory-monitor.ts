import type { ClientEntry, ClientTable, ClientTableListener } from '../clients/client-table.js';
import type { XeClient } from '../clients/client.js';
import { Repeated } from '../time/repeated.js';
import { TIMED_OUT, withDeadline } from '../time/deadline.js';
import type { XeDevice } from '../host/device.js';
import type { DeviceState } from '../host/device-state.js';
import type { DeviceTable, DeviceTableListener } from '../host/device-table.js';
import type { ClientRegionMemory, EvictedFor, MemorySnapshot, RegionMemory } from '../host/memory.js';
import type { DeviceMetrics } from '../metrics/device-metrics.js';
import type { FeatureBoard } from '../features.js';
import { DeviceMemory, SHARED_FOR_MS } from './device-memory.js';
import { memoryFeature } from './memory-feature.js';
import type { MemoryReader } from './memory-reader.js';
import { EvictionRequests } from './eviction-requests.js';
import { evictedFor, makeSnapshot } from './snapshot.js';

/** How often state is read when memory is not sampled: power state and survivability cost nothing. */
const STATE_INTERVAL_MS = 30_000;
const SAMPLE_DEADLINE_MS = 5_000;
/** Clients read per sample: far more than share a GPU. */
const MOST_SAMPLED = 1_024;

/** Clients read for a snapshot in addition to the victim. */
const MOST_IN_SNAPSHOT = 64;
/** Shorter than a log event waits. */
const SNAPSHOT_DEADLINE_MS = 400;

/** The snapshots of one device since a moment, by drm-client-id of the victim. */
interface Window {
  readonly since: number;
  readonly taken: Map<number | undefined, Promise<MemorySnapshot | undefined>>;
}

export interface MemoryMonitorOptions {
  readonly devices: DeviceTable;
  readonly clients: ClientTable;
  readonly reader: MemoryReader;
  readonly readState: (device: XeDevice) => DeviceState;
  readonly metrics: DeviceMetrics;
  readonly features: FeatureBoard;
  /** Milliseconds between samples; 0 switches memory off, snapshots included. */
  readonly intervalMs: number;
  /** Publish what clients hold, by container. */
  readonly clientMemory: boolean;
  /** Take snapshots of all clients instead of the victim alone. */
  readonly topConsumers: boolean;
  /** False leaves process names out of the owners of memory. */
  readonly includeProcess: boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  readonly snapshotDeadlineMs?: number;
  readonly sampleDeadlineMs?: number;
}

/**
 * State and memory of the devices: sampled at intervals for /metrics, and read at once when a client runs out of
 * memory. A sleeping device is never woken, and one that does not answer is left alone. Reads that can hang run on
 * other threads.
 */
export class MemoryMonitor {
  readonly #options: MemoryMonitorOptions;
  readonly #now: () => number;
  readonly #memories = new Map<XeDevice, DeviceMemory>();
  readonly #sampledAt = new Map<XeDevice, number>();
  readonly #windows = new Map<XeDevice, Window>();
  readonly #evictionRequests: EvictionRequests;
  readonly #ticking: Repeated;
  readonly #stopping = new AbortController();

  readonly clientListener: ClientTableListener = {
    removed: (entry) => this.#memories.get(entry.client.device)?.forget(entry),
  };

  readonly deviceListener: DeviceTableListener = {
    added: (device) => this.#options.metrics.deviceState(device, this.#options.readState(device)),
    removed: (device) => {
      this.#memories.get(device)?.giveUp();
      this.#memories.delete(device);
      this.#sampledAt.delete(device);
      this.#windows.delete(device);
      this.#evictionRequests.forget(device.pciBdf);
    },
  };

  constructor(options: MemoryMonitorOptions) {
    const { intervalMs, features, now = () => performance.now() } = options;
    this.#options = options;
    this.#now = now;
    this.#evictionRequests = new EvictionRequests(now);
    this.#ticking = new Repeated(() => this.#tick(), intervalMs || STATE_INTERVAL_MS);
    if (intervalMs === 0) features.report('memory', 'disabled', 'switched off by --memory-interval');
  }

  /** Resolves after the first sample. */
  start(): Promise<void> {
    return this.#ticking.start();
  }

  /** Does not wait for reads in flight. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const memory of this.#memories.values()) memory.giveUp();
    await this.#ticking.stop();
  }

  /**
   * Who holds the memory of a device now: its regions, the victim, and with `topConsumers` the others. Reading begins
   * in this turn, the victim first, because it may be about to die. What does not arrive in time comes from the last
   * sample; the snapshot says how old that is. Simultaneous errors of one victim share a snapshot.
   *
   * @param victim undefined where it is not known yet: it can be any of the clients
   * @returns undefined when nothing is known
   */
  snapshot(device: XeDevice, victim: XeClient | undefined): Promise<MemorySnapshot | undefined> {
    if (this.#options.intervalMs === 0 || this.#stopping.signal.aborted) return Promise.resolve(undefined);
    const now = this.#now();
    let window = this.#windows.get(device);
    if (window === undefined || now - window.since >= SHARED_FOR_MS) {
      window = { since: now, taken: new Map() };
      this.#windows.set(device, window);
    }
    const taking = window.taken.get(victim?.drmClientId) ?? this.#readSnapshot(device, victim);
    window.taken.set(victim?.drmClientId, taking);
    return taking;
  }

  /** The regions of a device at the last reading; empty while it sleeps, or where memory is not read. */
  regions(device: XeDevice): readonly RegionMemory[] {
    return this.#memories.get(device)?.regions ?? [];
  }

  /** What a client held at the last reading; undefined where it was not read. */
  heldBy(entry: ClientEntry): readonly ClientRegionMemory[] | undefined {
    const reading = this.#memories.get(entry.client.device)?.get(entry);
    return reading?.value as readonly ClientRegionMemory[] | undefined;
  }

  /** The driver moved buffers out of the device because the process asked for memory. @param bytes since the last call */
  evictedFor(pciBdf: string, pid: number, bytes: number): void {
    this.#evictionRequests.add(pciBdf, pid, bytes);
  }

  async #readSnapshot(device: XeDevice, victim: XeClient | undefined): Promise<MemorySnapshot | undefined> {
    const {
      clients,
      intervalMs,
      topConsumers,
      clientMemory,
      metrics,
      includeProcess,
      snapshotDeadlineMs = SNAPSHOT_DEADLINE_MS,
    } = this.#options;
    const memory = this.#of(device);
    const since = this.#now();
    const entry = victim && clients.get(victim.drmClientId);
    const isForEvent = topConsumers || victim === undefined;
    const others = isForEvent || clientMemory ? this.#largest(device, memory, MOST_IN_SNAPSHOT) : [];
    // The victim may leave the table meanwhile, along with what is known about it.
    const known = entry && memory.get(entry);
    const reading = Promise.all([
      memory.read(entry ? [entry, 'regions'] : ['regions'], { urgent: true }),
      memory.read(others.filter((other) => other !== entry)),
    ]);
    if ((await withDeadline(snapshotDeadlineMs, reading, this.#stopping.signal)) === TIMED_OUT) memory.giveUp();

    const held = [...new Set([...(entry ? [entry] : []), ...others])].flatMap((one) => {
      const found = memory.get(one) ?? (one === entry ? known : undefined);
      return found ? [{ client: one.client, reading: found }] : [];
    });
    const oldest = this.#now() - 2 * intervalMs;
    if (clientMemory && !this.#stopping.signal.aborted) {
      const valid = held.filter(({ reading: { at } }) => at >= oldest);
      metrics.deviceMemoryAtOom(
        device,
        valid.map(({ client: { workload }, reading: { value } }) => ({
          workload,
          regions: value as readonly ClientRegionMemory[],
        })),
      );
    }
    return makeSnapshot(device, {
      regions: memory.get('regions'),
      // The log names no others unless it may.
      held: isForEvent ? held : held.filter(({ client }) => client.drmClientId === victim.drmClientId),
      everyClient: topConsumers,
      evictedFor: topConsumers ? this.#evictedFor(device) : [],
      since,
      oldest,
      includeProcess,
    });
  }

  async #tick(): Promise<void> {
    const { devices, intervalMs, features } = this.#options;
    await Promise.all(devices.devices.map((device) => this.#look(device)));
    if (intervalMs === 0 || this.#stopping.signal.aborted) return;
    const memories = devices.devices.flatMap((device) => this.#memories.get(device) ?? []);
    const { state, reason, fix } = memoryFeature(memories, this.#options.clientMemory);
    features.report('memory', state, reason, fix);
  }

  async #look(device: XeDevice): Promise<void> {
    const { readState, metrics, intervalMs } = this.#options;
    const state = readState(device);
    metrics.deviceState(device, state);
    if (intervalMs === 0) return;
    const memory = this.#of(device);
    if (state.suspended || state.inSurvivability) {
      memory.forgetAll();
      metrics.deviceMemory(device, [], []);
      return;
    }
    // Reading can keep an idle device awake for another autosuspend delay; at this interval it falls asleep before the
    // next read.
    const since = this.#now() - (this.#sampledAt.get(device) ?? -Infinity);
    if (since >= 2 * state.autosuspendDelayMs) await this.#sample(device, memory);
  }

  async #sample(device: XeDevice, memory: DeviceMemory): Promise<void> {
    const { metrics, clients, clientMemory, sampleDeadlineMs = SAMPLE_DEADLINE_MS } = this.#options;
    memory.retain(new Set(clients.entries()));
    // Also when clients are not published: the next victim may be gone before it can be read.
    const entries = this.#largest(device, memory, MOST_SAMPLED);
    const started = this.#now();
    this.#sampledAt.set(device, started);
    const reading = memory.read(['regions', ...entries]);
    if ((await withDeadline(sampleDeadlineMs, reading, this.#stopping.signal)) === TIMED_OUT) memory.giveUp();
    if (this.#stopping.signal.aborted) return;

    const fresh = <Value>(item: 'regions' | ClientEntry): Value | undefined => {
      const found = memory.get(item);
      return found && found.at >= started - SHARED_FOR_MS ? (found.value as Value) : undefined;
    };
    const held = entries.flatMap((entry) => {
      const regions = clientMemory ? fresh<readonly ClientRegionMemory[]>(entry) : undefined;
      return regions ? [{ workload: entry.client.workload, regions }] : [];
    });
    metrics.deviceMemory(device, fresh<readonly RegionMemory[]>('regions') ?? [], held);
  }

  #evictedFor({ pciBdf }: XeDevice): EvictedFor[] {
    const { clients, includeProcess } = this.#options;
    const ofDevice = [...clients.entries()]
      .map(({ client }) => client)
      .filter(({ device }) => device.pciBdf === pciBdf);
    return evictedFor(this.#evictionRequests.recent(pciBdf), ofDevice, includeProcess);
  }

  #of(device: XeDevice): DeviceMemory {
    const known = this.#memories.get(device) ?? new DeviceMemory(device, this.#options.reader, this.#now);
    this.#memories.set(device, known);
    return known;
  }

  /** The clients of a device, largest holders at the last read first. */
  #largest(device: XeDevice, memory: DeviceMemory, most: number): ClientEntry[] {
    const held = (entry: ClientEntry): number => {
      const regions = (memory.get(entry)?.value ?? []) as readonly ClientRegionMemory[];
      return regions.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
    };
    return [...this.#options.clients.entries()]
      .filter(({ client, holders }) => client.device === device && holders.length > 0)
      .map((entry) => [entry, held(entry)] as const)
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([entry]) => entry);
  }
}
