import type { FeatureBoard } from '../features.js';
import type { XeDevice } from '../host/device.js';
import type { DeviceState } from '../host/device-state.js';
import type { DeviceTable, DeviceTableListener } from '../host/device-table.js';
import type { RasMetrics } from '../metrics/ras-metrics.js';
import { Repeated } from '../time/repeated.js';
import type { RasNode } from '../wire/drm-ras.js';
import { ownNodes } from './own-nodes.js';
import { deviceTrouble, RAS_ACTIVE, type RasSupport } from './ras-feature.js';
import type { RasReader } from './ras-reader.js';

export interface RasMonitorOptions {
  readonly devices: DeviceTable;
  readonly reader: RasReader;
  readonly readState: (device: XeDevice) => DeviceState;
  readonly metrics: RasMetrics;
  readonly features: FeatureBoard;
  /** Milliseconds between reads. */
  readonly intervalMs: number;
}

/**
 * Reads the hardware error counters that the driver keeps, at long intervals: on some devices a read is a command to the firmware. A
 * sleeping device is never woken.
 */
export class RasMonitor {
  readonly #options: RasMonitorOptions;
  readonly #ticking: Repeated;
  /** The last value of each counter of a device that is bound, by node and error. */
  readonly #last = new Map<string, Map<string, number>>();
  #stopped = false;

  readonly deviceListener: DeviceTableListener = {
    removed: ({ pciBdf }) => this.#last.delete(pciBdf),
  };

  constructor(options: RasMonitorOptions) {
    this.#options = options;
    this.#ticking = new Repeated(() => this.#tick(), options.intervalMs);
  }

  /** Resolves after the first read. */
  start(): Promise<void> {
    return this.#ticking.start();
  }

  /** Does not wait for reads in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.reader.stop();
    await this.#ticking.stop();
  }

  async #tick(): Promise<void> {
    const { state, reason, fix } = await this.#read();
    if (!this.#stopped) this.#options.features.report('ras', state, reason, fix);
  }

  async #read(): Promise<RasSupport> {
    const { reader, devices } = this.#options;
    const own = await ownNodes(reader, devices.devices);
    if ('state' in own) return own;
    const troubles = await Promise.all(
      own.devices.map(({ device, nodes }) => this.#readDevice(own.family, device, nodes)),
    );
    return troubles.find((trouble) => trouble !== undefined) ?? RAS_ACTIVE;
  }

  async #readDevice(family: number, device: XeDevice, nodes: readonly RasNode[]): Promise<RasSupport | undefined> {
    const { reader, readState, devices } = this.#options;
    const { suspended, inSurvivability } = readState(device);
    if (suspended || inSurvivability) return undefined;
    const results = await reader.counters(family, device, nodes);
    // Unbound meanwhile, and perhaps bound again: then these are the counters of before.
    if (this.#stopped || !devices.devices.includes(device)) return undefined;
    let trouble: RasSupport | undefined;
    for (const [index, result] of results.entries()) {
      if ('errno' in result) trouble ??= deviceTrouble(device.pciBdf, result);
      else for (const { error, value } of result) this.#count(device.pciBdf, nodes[index]!.name, error, value);
    }
    return trouble;
  }

  /** A counter that has fallen was cleared, or has wrapped: what it shows has come since. */
  #count(pciBdf: string, node: string, error: string, value: number): void {
    const ofDevice = this.#last.get(pciBdf) ?? new Map<string, number>();
    this.#last.set(pciBdf, ofDevice);
    const key = `${node}/${error}`;
    const before = ofDevice.get(key) ?? 0;
    ofDevice.set(key, value);
    this.#options.metrics.grown(pciBdf, node, error, value >= before ? value - before : value);
  }
}
