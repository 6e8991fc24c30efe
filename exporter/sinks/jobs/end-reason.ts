import { deviceUnbound } from '../../events/definitions/device-bound.js';
import { deviceSurvivabilityMode } from '../../events/definitions/device-survivability-mode.js';
import { deviceWedged } from '../../events/definitions/device-wedged.js';
import { engineReset } from '../../events/definitions/engine-reset.js';
import { gtReset } from '../../events/definitions/gt-reset.js';
import { jobTimeout } from '../../events/definitions/job-timeout.js';
import { memoryCatError } from '../../events/definitions/memory-cat-error.js';
import { pageFault } from '../../events/definitions/page-fault.js';
import { vmKilled } from '../../events/definitions/vm-killed.js';
import { vmRebindError } from '../../events/definitions/vm-rebind-error.js';
import type { DeviceEvent, EventDefinition } from '../../events/device-event.js';
import { rebindErrorClass } from '../../wire/errno.js';

/** Why a job can have ended. */
export const END_REASONS = ['memory', 'hang', 'device_lost', 'fault'] as const;
export type EndReason = (typeof END_REASONS)[number];

const REASONS = new Map<EventDefinition, EndReason>([
  [deviceWedged, 'device_lost'],
  [deviceSurvivabilityMode, 'device_lost'],
  [deviceUnbound, 'device_lost'],
  [jobTimeout, 'hang'],
  [engineReset, 'hang'],
  [gtReset, 'hang'],
  [memoryCatError, 'fault'],
  [pageFault, 'fault'],
  [vmKilled, 'fault'],
]);

/** @returns undefined for an event that ends no job */
export function endReason(event: DeviceEvent): EndReason | undefined {
  return event.definition === vmRebindError ? rebindReason(event.errorCode) : REASONS.get(event.definition);
}

/** Without an error code, as the trace has none, it is most likely memory: see the text of the event. */
function rebindReason(errorCode: number): EndReason {
  if (errorCode === 0) return 'memory';
  const kind = rebindErrorClass(errorCode);
  if (kind === 'memory') return 'memory';
  return kind === 'timeout' ? 'hang' : 'fault';
}
