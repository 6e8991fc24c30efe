import { readFileSync } from 'node:fs';

/** The style of the status page, read once; the Content-Security-Policy names it by its hash. */
export const STYLE = readFileSync(new URL('style.css', import.meta.url), 'utf8');
