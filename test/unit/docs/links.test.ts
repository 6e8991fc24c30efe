import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { anchorsOf, linksOf, markdownFiles } from '../../helpers/markdown.js';

const files = markdownFiles();
const isExternal = (target: string) => /^[a-z]+:/.test(target);

describe('the links of every Markdown file', () => {
  for (const file of files) {
    it(`${file} links to what is there`, () => {
      for (const target of linksOf(readFileSync(file, 'utf8'))) {
        if (isExternal(target)) continue;
        const [path = '', anchor] = target.split('#');
        const linked = path === '' ? file : normalize(join(dirname(file), decodeURIComponent(path)));
        assert.ok(existsSync(linked), `${file} links to ${target}: there is no ${linked}`);
        if (anchor === undefined || statSync(linked).isDirectory() || !linked.endsWith('.md')) continue;
        assert.ok(anchorsOf(readFileSync(linked, 'utf8')).has(anchor), `${file} links to ${target}: no such heading`);
      }
    });
  }

  it('reach every page of docs/ from the README', () => {
    const reached = new Set(['README.md']);
    for (const file of reached) {
      for (const target of linksOf(readFileSync(file, 'utf8'))) {
        const linked = normalize(join(dirname(file), target.split('#')[0] ?? ''));
        if (!isExternal(target) && files.includes(linked)) reached.add(linked);
      }
    }
    assert.deepEqual(
      files.filter((file) => file.startsWith('docs/') && !reached.has(file)),
      [],
    );
  });
});

describe('the link checker', () => {
  it('sees links, images and references, and none in code', () => {
    const text = '[a](x.md#y) ![b](i.png) `[c](z)`\n[d]: w.md\n```\n[e](v)\n```\n[`f`](u.md)\n';
    assert.deepEqual(linksOf(text), ['x.md#y', 'i.png', 'u.md', 'w.md']);
  });

  it('makes the anchors that GitHub makes', () => {
    const text = '# A b, `c_d`\n## xe.vm.rebind_error\n## A b, c_d\n```\n# no\n```\n### [Link](x) & more\n';
    assert.deepEqual([...anchorsOf(text)], ['a-b-c_d', 'xevmrebind_error', 'a-b-c_d-1', 'link--more']);
  });
});
