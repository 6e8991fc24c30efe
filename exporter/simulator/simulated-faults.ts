import type { XeClient } from '../clients/client.js';
import type { ClientTable } from '../clients/client-table.js';
import type { XeDevice } from '../host/device.js';
import { Timers } from '../time/timers.js';
import { SIMULATED_GPUS, type SimulatedDevices } from './simulated-devices.js';
import type { SimulatedKernel } from './simulated-kernel.js';
import { gucIdOf } from './simulated-trace.js';

/** How often an engine is reset; every second time a job has hung before. */
const RESET_EVERY_MS = 30_000;
/** How long a device stays unbound: long enough for its clients to be seen leaving. */
const UNBOUND_FOR_MS = 2_000;

/** The GPU that gets wedged: the other one carries on. */
const WEDGED_GPU = SIMULATED_GPUS[1];

export interface SimulatedFaultsOptions {
  readonly kernel: Pick<SimulatedKernel, 'log' | 'wedged' | 'binding'>;
  readonly devices: SimulatedDevices;
  /** Where a job that hangs is looked up. */
  readonly clients: Pick<ClientTable, 'entries'>;
  /** How often a GPU is wedged, in milliseconds, for half of that time; 0 for never. */
  readonly wedgeEveryMs: number;
}

/** What goes wrong with the GPUs themselves, on a schedule. Deterministic, like the node. */
export class SimulatedFaults {
  readonly #options: SimulatedFaultsOptions;
  readonly #timers = new Timers();
  #resets = 0;
  /** It runs no jobs, so none can hang. */
  #wedged = false;

  constructor(options: SimulatedFaultsOptions) {
    this.#options = options;
  }

  start(): void {
    const { wedgeEveryMs } = this.#options;
    this.#timers.after(RESET_EVERY_MS, () => this.#reset());
    if (wedgeEveryMs > 0) this.#timers.after(wedgeEveryMs / 2, () => this.#wedge());
  }

  stop(): void {
    this.#timers.clear();
  }

  #reset(): void {
    const { kernel } = this.#options;
    const turn = this.#resets++;
    const device = this.#deviceAt(SIMULATED_GPUS[turn % SIMULATED_GPUS.length]!);
    if (device !== undefined && !(this.#wedged && device.pciBdf === WEDGED_GPU)) {
      if (turn % 2 === 1) this.#hang(device);
      const job = this.#jobOn(device);
      const gucId = job === undefined ? 0 : gucIdOf(job);
      kernel.log(device, `Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=${gucId}, state=0x249`);
    }
    this.#timers.after(RESET_EVERY_MS, () => this.#reset());
  }

  /** The driver stops a job that does not finish, and keeps the state of the GPU. */
  #hang(device: XeDevice): void {
    const { kernel } = this.#options;
    const job = this.#jobOn(device);
    const who = job === undefined ? 'no process [-1]' : `${job.process.executable} [${job.process.pid}]`;
    const gucId = job === undefined ? 0 : gucIdOf(job);
    kernel.log(
      device,
      `Tile0: GT0: Timedout job: seqno=4294967169, lrc_seqno=4294967169, guc_id=${gucId}, flags=0x0 in ${who}`,
      'notice',
    );
    kernel.log(device, 'Xe device coredump has been created');
  }

  #jobOn(device: XeDevice): XeClient | undefined {
    return [...this.#options.clients.entries()].find(({ client }) => client.device === device)?.client;
  }

  #wedge(): void {
    const device = this.#deviceAt(WEDGED_GPU);
    if (device !== undefined) this.#options.kernel.wedged(device);
    this.#wedged = true;
    this.#timers.after(this.#options.wedgeEveryMs / 2 - UNBOUND_FOR_MS, () => this.#unbind());
  }

  #unbind(): void {
    const { devices, kernel } = this.#options;
    const device = this.#deviceAt(WEDGED_GPU);
    devices.unbind(WEDGED_GPU);
    if (device !== undefined) kernel.binding('unbind', device);
    this.#timers.after(UNBOUND_FOR_MS, () => this.#bind());
  }

  #bind(): void {
    const { devices, kernel, wedgeEveryMs } = this.#options;
    devices.bind(WEDGED_GPU);
    this.#wedged = false;
    kernel.binding('bind', this.#deviceAt(WEDGED_GPU)!);
    this.#timers.after(wedgeEveryMs / 2, () => this.#wedge());
  }

  #deviceAt(address: string): XeDevice | undefined {
    return this.#options.devices.list().find(({ pciBdf }) => pciBdf === address);
  }
}
