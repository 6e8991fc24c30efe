import { markdownTable } from '../config/markdown.js';
import { PRIVILEGES, type FeaturePrivileges } from './table.js';

/** The table of INSTALL.md, in Markdown. */
export function privilegeTable(rows: readonly FeaturePrivileges[] = PRIVILEGES): string {
  const cells = rows.map((row) => [
    `\`${row.feature}\``,
    row.does,
    needs(row).join('; ') || 'nothing',
    row.why,
    row.without,
  ]);
  return markdownTable([['Feature', 'So that it can', 'Needs', 'Why', 'Without'], ...cells]);
}

/** The same for a terminal: what `doctor --explain-privileges` prints. */
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

function needs({ capabilities, hostPid, devices, mounts, rbac }: FeaturePrivileges): string[] {
  const folders = mounts.filter(({ optional }) => optional !== true);
  const optionalFolders = mounts.filter(({ optional }) => optional === true).map(({ path }) => path);
  const account = rbac === null ? '' : `a service account that may ${rbac.verbs.join(' and ')} ${rbac.resource}`;
  return [
    ...capabilities.map((name) => `CAP_${name}`),
    ...(hostPid ? ["the host's pid namespace"] : []),
    ...devices.map((path) => `access to ${path}`),
    ...folders.map(({ path, instead }) => [`${path} read-only`, instead].filter(Boolean).join(', or ')),
    [account, optionalFolders.length > 0 && `${optionalFolders.join(' and ')} read-only`].filter(Boolean).join(', or '),
  ].filter((need) => need !== '');
}
