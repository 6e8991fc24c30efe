/** `npm run docs`: brings the generated parts of the documents up to date. Not part of the running program. */

import { readFileSync, writeFileSync } from 'node:fs';
import { GENERATED, withGeneratedSections } from './generated-docs.js';

for (const file of new Set(GENERATED.map((entry) => entry.file))) {
  writeFileSync(file, withGeneratedSections(file, readFileSync(file, 'utf8')));
}
