/** `npm run packaging`: brings the generated files of packaging/ up to date. */

import { writeFileSync } from 'node:fs';
import { generatedPackagingFiles } from './generated.js';

for (const [path, text] of generatedPackagingFiles()) writeFileSync(path, text);
