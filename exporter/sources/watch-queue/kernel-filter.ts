import type { EventDefinition } from '../../events/device-event.js';
import { WATCH_TYPE } from '../../wire/watch-notification.js';

/** The kernel keeps one 32-bit word of subtypes (watch_queue_set_filter, Linux 7.2): higher ones cannot be asked for. */
const FILTERABLE_SUBTYPES = 32;

/**
 * The kernel filter that lets the wanted events through, as `[type, subtype bits, ...]`. META records (loss, removal) always
 * pass and must not be named. Never a feature test: an unpatched kernel accepts an unknown type and then blocks everything.
 */
export function kernelFilter(wanted: readonly EventDefinition[]): Uint32Array {
  const subtypes = new Map<number, number>();
  for (const { wire } of wanted) {
    if (wire === undefined || wire.type === WATCH_TYPE.META || wire.subtype >= FILTERABLE_SUBTYPES) continue;
    subtypes.set(wire.type, (subtypes.get(wire.type) ?? 0) | (1 << wire.subtype));
  }
  // An empty filter would mean "no filter" to the kernel call; a type without subtypes means "nothing".
  if (subtypes.size === 0) subtypes.set(WATCH_TYPE.DRM_XE_NOTIFY, 0);
  return Uint32Array.from([...subtypes].flat());
}
