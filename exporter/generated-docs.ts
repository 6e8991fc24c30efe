import { withSection } from './config/markdown.js';
import { optionTable } from './config/help.js';
import { privilegeTable } from './privileges/docs.js';
import { eventTable } from './events/event-table.js';

/** THE LIST of what is generated into documents at the root of the project. */
export const GENERATED = [
  { file: 'README.md', section: 'options', text: optionTable },
  { file: 'README.md', section: 'events', text: eventTable },
  { file: 'INSTALL.md', section: 'privileges', text: privilegeTable },
] as const;

/**
 * A document with its generated sections up to date.
 * @throws Error when a section's markers are missing
 */
export function withGeneratedSections(file: string, document: string): string {
  let current = document;
  for (const { section, text } of GENERATED.filter((entry) => entry.file === file)) {
    const updated = withSection(current, section, text());
    if (updated === undefined) throw new Error(`${file} has no <!-- ${section} --> and <!-- /${section} --> markers`);
    current = updated;
  }
  return current;
}
