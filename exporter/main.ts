#!/usr/bin/env node
import { createRequire } from 'node:module';

// `import` would read each module in turns of the event loop: several ms, which a job under `run` would wait for.
createRequire(import.meta.url)('./program.js');
