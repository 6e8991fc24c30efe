/** `npm run helm`: brings the generated files of the chart up to date. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { generatedChartFiles } from './generated.js';

for (const [path, text] of generatedChartFiles()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
