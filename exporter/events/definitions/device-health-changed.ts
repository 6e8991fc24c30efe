import { ATTRIBUTE, type DeviceHealthState } from '../../names.js';
import { define } from '../definition.js';
import type { DeviceEvent, Severity } from '../device-event.js';
import { HEALTH_REASONS, type HealthReason } from '../device-health.js';
import { gpu } from '../text/place.js';

const SEVERITY: Readonly<Record<DeviceHealthState, Severity>> = {
  ok: 9,
  recovering: 13,
  faulting: 13,
  unknown: 13,
  unrecovered: 21,
  wedged: 21,
  survivability: 21,
  lost: 21,
};

/** A GPU became fit for work, or unfit, or something in between. The exporter concludes it from the incidents of the device. */
export const deviceHealthChanged = define({
  name: 'xe.device.health_changed',
  summary: 'the GPU became fit for work, unfit, or something in between',
  rank: 'consequence',
  severity: (event) => SEVERITY[HEALTH_REASONS[reasonOf(event)].state],
  errorType: (event) => (reasonOf(event) === 'ok' ? undefined : reasonOf(event)),
  body(event) {
    const { what, advice } = HEALTH_REASONS[reasonOf(event)];
    return `${gpu(event)} ${what}${advice && `: ${advice.charAt(0).toLowerCase()}${advice.slice(1, -1)}`}.`;
  },
});

function reasonOf({ details }: DeviceEvent): HealthReason {
  return (details?.[ATTRIBUTE.deviceHealthReason] as HealthReason | undefined) ?? 'unseen';
}
