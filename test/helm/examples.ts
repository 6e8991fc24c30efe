import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CHART, template } from './chart.js';

const FOLDER = join(CHART, 'examples');

/** The rendered examples as they should be, by path. */
export function renderedExamples(): ReadonlyMap<string, string> {
  return new Map(
    readdirSync(FOLDER).map((name) => [
      join(FOLDER, name, 'rendered.yaml'),
      template(join(FOLDER, name, 'values.yaml')),
    ]),
  );
}
