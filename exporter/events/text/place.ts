import type { DeviceEvent } from '../device-event.js';

/** Subject of a sentence about a device. */
export function gpu({ device }: DeviceEvent): string {
  return device ? `GPU ${device.pciBdf}` : 'A GPU';
}

/** The words that say where something happened. */
export function onGpu({ device }: DeviceEvent): string {
  return device ? ` on GPU ${device.pciBdf}` : '';
}
