import { PRIVILEGES, type FeaturePrivileges } from './table.js';

/** What `doctor --explain-privileges` prints. */
export function explainPrivileges(rows: readonly FeaturePrivileges[] = PRIVILEGES): string {
  return rows
    .map((row) =>
      [
        `${row.feature}: to ${row.does}`,
        `  needs    ${needs(row).join('; ') || 'nothing'}`,
        `  why      ${row.why}`,
        `  without  ${row.without}`,
        '',
      ].join('\n'),
    )
    .join('\n')
    .replaceAll('`', '');
}

/** What has to be granted for a feature, one phrase each; empty when nothing is needed. */
export function needs({ capabilities, root, hostPid, devices, mounts, writes, rbac }: FeaturePrivileges): string[] {
  const folders = mounts.filter(({ optional }) => optional !== true);
  const optionalFolders = mounts.filter(({ optional }) => optional === true).map(({ path }) => path);
  const may = rbac.map(({ verbs, resource, namespace }) =>
    [verbs.join(' and '), resource, namespace && `in namespace ${namespace}`].filter(Boolean).join(' '),
  );
  const account = may.length === 0 ? '' : `a service account that may ${may.join(', and ')}`;
  return [
    ...(root ? ['uid 0'] : []),
    ...capabilities.map((name) => `CAP_${name}`),
    ...(hostPid ? ["the host's pid namespace"] : []),
    ...devices.map((path) => `access to ${path}`),
    ...folders.map(({ path, writable, instead }) =>
      [`${path} ${writable ? 'writable' : 'read-only'}`, instead].filter(Boolean).join(', or '),
    ),
    ...(writes === undefined ? [] : [`the folder of ${writes}, writable`]),
    [account, optionalFolders.length > 0 && `${optionalFolders.join(' and ')} read-only`].filter(Boolean).join(', or '),
  ].filter((need) => need !== '');
}
