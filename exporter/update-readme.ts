/** `npm run docs`: brings the tables in README.md up to date. Not part of the running program. */

import { readFileSync, writeFileSync } from 'node:fs';
import { optionTable } from './config/help.js';
import { withSection } from './config/markdown.js';
import { eventTable } from './events/event-table.js';

let readme = readFileSync('README.md', 'utf8');
for (const [name, table] of Object.entries({ options: optionTable(), events: eventTable() })) {
  const updated = withSection(readme, name, table);
  if (updated === undefined) throw new Error(`README.md has no <!-- ${name} --> and <!-- /${name} --> markers`);
  readme = updated;
}
writeFileSync('README.md', readme);
