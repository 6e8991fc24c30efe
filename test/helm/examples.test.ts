import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { renderedExamples } from './examples.js';

test('the rendered examples are up to date', () => {
  for (const [path, text] of renderedExamples()) {
    assert.equal(readFileSync(path, 'utf8'), text, `${path}: run "npm run build && test/helm/run.sh --update"`);
  }
});
