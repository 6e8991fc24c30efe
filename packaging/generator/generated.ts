import { bashCompletion, fishCompletion, zshCompletion } from './completion.js';
import { defaultConfig } from './default-config.js';
import { manPage } from './man-page.js';

/** What every generated file of packaging/ should hold, by its path in the repository: all of it from the option table. */
export function generatedPackagingFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['packaging/config/config.yaml', defaultConfig()],
    ['packaging/man/xe-exporter.1', manPage()],
    ['packaging/completion/xe-exporter.bash', bashCompletion()],
    ['packaging/completion/_xe-exporter', zshCompletion()],
    ['packaging/completion/xe-exporter.fish', fishCompletion()],
  ]);
}
