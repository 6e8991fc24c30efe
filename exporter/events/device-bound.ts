import { EVENT } from '../telemetry/names.js';
import { define } from './definition.js';
import type { UeventKey } from './device-event.js';
import { gpu } from './place.js';

/** The PCI core says which driver it bound, and on unbind no more (drivers/base/dd.c, Linux 7.2). */
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
  name: EVENT.deviceBound,
  uevent: binding('bind'),
  counts: 'none',
  severity: () => 9,
  body: (event) => `${gpu(event)} was bound to the xe driver.`,
});

/** The xe driver let go of a device: everything that used it has lost it. */
export const deviceUnbound = define({
  name: EVENT.deviceUnbound,
  uevent: binding('unbind'),
  counts: 'none',
  severity: () => 9,
  body: (event) => `${gpu(event)} was unbound from the xe driver.`,
});
