import { needs } from '../../exporter/privileges/explain.js';
import { PRIVILEGES } from '../../exporter/privileges/table.js';
import { markdownTable } from './markdown.js';

/** The privilege table of INSTALL.md. */
export function privilegeTable(): string {
  const rows = PRIVILEGES.map((row) => [
    `\`${row.feature}\``,
    row.does,
    needs(row).join('; ') || 'nothing',
    row.why,
    row.without,
  ]);
  return markdownTable([['Feature', 'So that it can', 'Needs', 'Why', 'Without'], ...rows]);
}
