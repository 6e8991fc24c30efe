import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { deliveryGroup } from './delivery.js';
import { deviceGroup } from './device.js';
import { exporterGroup } from './exporter.js';
import { healthGroup } from './health.js';
import { rebindGroup } from './rebind.js';

/** Every rule there is, in the order of the files. */
export function ruleGroups(config: RulesConfig): readonly RuleGroup[] {
  return [rebindGroup, deviceGroup, healthGroup, exporterGroup, deliveryGroup].map((group) => group(config));
}

/** Every alert there is, most telling first. */
export function allAlerts(config: RulesConfig): readonly Alert[] {
  return ruleGroups(config).flatMap(({ alerts }) => alerts);
}
