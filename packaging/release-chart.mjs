// Turns a copy of the chart into the one that is released: the image by its digest, and what Artifact Hub shows of the release.
//
//   node packaging/release-chart.mjs CHART IMAGE@DIGEST CHANGELOG.md

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';

const [chart, image, changelog] = process.argv.slice(2);
const [repository, digest] = image.split('@');

edit('values.yaml', (values) => {
  values.setIn(['image', 'repository'], repository);
  values.setIn(['image', 'digest'], digest);
});
edit('Chart.yaml', (document) => {
  const version = document.get('version');
  document.setIn(['annotations', 'artifacthub.io/prerelease'], String(/^0\.|-/.test(version)));
  document.setIn(
    ['annotations', 'artifacthub.io/images'],
    `- name: xe-exporter\n  image: ${image}\n  platforms: [linux/amd64, linux/arm64]\n`,
  );
  document.setIn(['annotations', 'artifacthub.io/changes'], changes(version));
});

/** Comments stay where they are. */
function edit(name, change) {
  const path = join(chart, name);
  const document = parseDocument(readFileSync(path, 'utf8'));
  change(document);
  writeFileSync(path, document.toString({ lineWidth: 0 }));
}

/** The section of the version, one entry for each of its bullets, as Artifact Hub wants them. */
function changes(version) {
  const text = readFileSync(changelog, 'utf8');
  const [, section = ''] = text.split(`\n## [${version}]`);
  const kinds = {
    Added: 'added',
    Changed: 'changed',
    Deprecated: 'deprecated',
    Removed: 'removed',
    Fixed: 'fixed',
    Security: 'security',
  };
  const entries = section
    .split('\n## [')[0]
    .split('\n### ')
    .slice(1)
    .flatMap((part) => {
      const [heading, ...lines] = part.split('\n');
      const bullets = lines.join('\n').split(/^- /m).slice(1);
      return bullets.map((bullet) => ({
        kind: kinds[heading.trim()] ?? 'changed',
        description: bullet.replace(/\s+/g, ' ').trim(),
      }));
    });
  return entries
    .map(({ kind, description }) => `- kind: ${kind}\n  description: ${JSON.stringify(description)}\n`)
    .join('');
}
