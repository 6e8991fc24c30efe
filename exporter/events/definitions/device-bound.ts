import { define } from '../definition.js';
import type { UeventKey } from '../device-event.js';
import { gpu } from '../text/place.js';

/**
 * The driver core names the driver that it bound. When it unbinds, it has already forgotten the driver (device_unbind_cleanup() in
 * drivers/base/dd.c, Linux 6.12 and 7.2): DRIVER= is missing, and the source has to know that the device was xe's.
 */
function binding(action: 'bind' | 'unbind'): UeventKey {
  return {
    read: (uevent) =>
      uevent.subsystem === 'pci' &&
      uevent.action === action &&
      (action === 'unbind' || uevent.values.get('DRIVER') === 'xe')
        ? {}
        : undefined,
  };
}

/** The xe driver was bound to a device: a new or a recovered one. */
export const deviceBound = define({
  name: 'xe.device.bound',
  summary: 'the xe driver bound to the device, for the first time or again',
  uevent: binding('bind'),
  endsIncidents: true,
  severity: () => 9,
  body: (event) => `${gpu(event)} was bound to the xe driver.`,
});

/** The xe driver was unbound from a device: everything that used the device has lost it. */
export const deviceUnbound = define({
  name: 'xe.device.unbound',
  summary: 'the xe driver was unbound from the device',
  uevent: binding('unbind'),
  endsIncidents: true,
  severity: () => 9,
  body: (event) => `${gpu(event)} was unbound from the xe driver.`,
});
