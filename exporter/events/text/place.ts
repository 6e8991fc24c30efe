import type { DeviceEvent } from '../device-event.js';

/** Subject of a sentence about a device. */
export function gpu({ device }: DeviceEvent): string {
  return device ? `GPU ${device.pciBdf}` : 'A GPU';
}

/** End of a sentence that says where something happened. */
export function onGpu({ device }: DeviceEvent): string {
  return device ? ` on GPU ${device.pciBdf}` : '';
}
