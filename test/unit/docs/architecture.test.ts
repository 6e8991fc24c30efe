import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const text = readFileSync('docs/architecture.md', 'utf8');
const pathOf = (name: string) => (/^(?:native|exporter)\//.test(name) ? name : join('exporter', name));

describe('docs/architecture.md', () => {
  it('names files that exist', () => {
    for (const [, name = ''] of text.matchAll(/`([\w/-]+\.(?:ts|cc))`/g)) assert.ok(existsSync(pathOf(name)), name);
    for (const [, name = ''] of text.matchAll(/`([a-z-]+(?:\/[a-z-]+)*\/)`/g))
      assert.ok(existsSync(pathOf(name)), name);
  });

  const steps = [...text.matchAll(/^\| `([\w/-]+\.(?:ts|cc))` `(\w+)` \|/gm)];
  it('walks through functions that are there', () => {
    assert.ok(steps.length > 25);
    for (const [, name = '', called = ''] of steps) {
      const source = readFileSync(pathOf(name), 'utf8');
      assert.match(source, new RegExp(`\\b${called}\\b`), `${name} has no ${called}`);
    }
  });
});
