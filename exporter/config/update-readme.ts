/** `npm run docs`: brings the option table in README.md up to date. Not part of the running program. */

import { readFileSync, writeFileSync } from 'node:fs';
import { withOptionTable } from './help.js';

const readme = withOptionTable(readFileSync('README.md', 'utf8'));
if (readme === undefined) throw new Error('README.md has no <!-- options --> and <!-- /options --> markers');
writeFileSync('README.md', readme);
