import type { FeatureName } from '../../exporter/names.js';
import {
  PRIVILEGES,
  UNPRIVILEGED_UID,
  type Capability,
  type FeaturePrivileges,
} from '../../exporter/privileges/table.js';

/** The rows of some features. */
export function privilegesOf(features: readonly FeatureName[]): readonly FeaturePrivileges[] {
  return PRIVILEGES.filter(({ feature }) => features.includes(feature));
}

/** What these rows need together, sorted. */
export function capabilitiesOf(rows: readonly FeaturePrivileges[]): readonly Capability[] {
  return [...new Set(rows.flatMap(({ capabilities }) => capabilities))].sort();
}

/** What the features that are on by default need together: the systemd unit and the commands of INSTALL.md grant it. */
export const USUAL_CAPABILITIES = capabilitiesOf(PRIVILEGES.filter(({ feature }) => feature !== 'ras'));

/** The uid a container with these capabilities needs; see {@link FeaturePrivileges.capabilities}. */
export function containerUid(capabilities: readonly Capability[]): number {
  return capabilities.length > 0 ? 0 : UNPRIVILEGED_UID;
}
