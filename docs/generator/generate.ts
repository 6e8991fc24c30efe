/** `npm run docs`: brings the generated documents up to date. */

import { writeFileSync } from 'node:fs';
import { generatedDocuments } from './documents.js';

for (const [path, text] of await generatedDocuments()) writeFileSync(path, text);
