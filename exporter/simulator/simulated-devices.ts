import type { XeDevice } from '../host/device.js';

/** The PCI addresses of the two GPUs of the simulated node. */
export const SIMULATED_GPUS = ['0000:03:00.0', '0000:04:00.0'] as const;

/** The GPUs of the simulated node as its sysfs would list them: those bound to the driver. */
export class SimulatedDevices {
  readonly #bound = new Map<string, XeDevice>(SIMULATED_GPUS.map((pciBdf) => [pciBdf, deviceAt(pciBdf, 1)]));
  #bindings = 1;

  list(): readonly XeDevice[] {
    return [...this.#bound.values()].sort((a, b) => a.pciBdf.localeCompare(b.pciBdf));
  }

  unbind(pciBdf: string): void {
    this.#bound.delete(pciBdf);
  }

  /** A device that is bound again is a new object with the same names. */
  bind(pciBdf: string): void {
    this.#bound.set(pciBdf, deviceAt(pciBdf, ++this.#bindings));
  }
}

function deviceAt(pciBdf: string, binding: number): XeDevice {
  const index = SIMULATED_GPUS.findIndex((address) => address === pciBdf);
  return Object.freeze({
    pciBdf,
    card: `card${index}`,
    render: `renderD${128 + index}`,
    cardMinor: index,
    renderMinor: 128 + index,
    vendorId: '0x8086',
    deviceId: '0xe20b',
    model: 'Battlemage G21 [Arc B580]',
    driverVersion: '',
    serial: '',
    physicalFunction: '',
    numaNode: 0,
    binding,
  });
}
