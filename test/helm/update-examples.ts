import { writeFileSync } from 'node:fs';
import { renderedExamples } from './examples.js';

for (const [path, text] of renderedExamples()) writeFileSync(path, text);
