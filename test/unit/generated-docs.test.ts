import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { GENERATED, withGeneratedSections } from '../../exporter/generated-docs.js';
import { markdownTable, withSection } from '../../exporter/config/markdown.js';

describe('a generated section', () => {
  it('goes between its markers and leaves the rest alone', () => {
    const document = 'before\n<!-- it -->\nold\n<!-- /it -->\nafter\n';
    const updated = withSection(document, 'it', 'new') ?? '';
    assert.equal(updated, 'before\n<!-- it -->\n\nnew\n\n<!-- /it -->\nafter\n');
    assert.equal(withSection(updated, 'it', 'new'), updated);
  });

  it('is not put into a text without markers', () => {
    for (const text of ['', '<!-- it -->', '<!-- /it --><!-- it -->'])
      assert.equal(withSection(text, 'it', 'new'), undefined);
    assert.throws(() => withGeneratedSections('README.md', 'nothing'), /README\.md has no <!-- options -->/);
  });

  it('may hold a table whose cells have bars', () => {
    assert.equal(markdownTable([['a'], ['b|c']]), '| a |\n| --- |\n| b\\|c |');
  });
});

describe('the documents', () => {
  for (const file of new Set(GENERATED.map((entry) => entry.file))) {
    it(`${file} is up to date (npm run docs)`, () => {
      const document = readFileSync(file, 'utf8');
      assert.equal(withGeneratedSections(file, document), document);
    });
  }
});
