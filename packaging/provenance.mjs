// Writes how a release was made, as an in-toto statement with the SLSA predicate. It is not signed: whoever runs the release signs it.
//
//   node packaging/provenance.mjs REPOSITORY COMMIT BUILDER FILE... >provenance.intoto.json

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const [repository, commit, builder, ...files] = process.argv.slice(2);
const sha256 = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');
const node = JSON.parse(readFileSync('packaging/node.json', 'utf8'));
const hex = (integrity) => Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');

const statement = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: files.map((file) => ({ name: basename(file), digest: { sha256: sha256(file) } })),
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: `${repository}/blob/${commit}/.ci/release`,
      externalParameters: { repository, commit },
      resolvedDependencies: [
        { uri: `git+${repository}@${commit}`, digest: { gitCommit: commit } },
        { uri: 'package-lock.json', digest: { sha256: sha256('package-lock.json') } },
        ...Object.entries(node.integrity).map(([name, integrity]) => ({
          uri: `pkg:npm/${name}@${node.version}`,
          digest: { sha512: hex(integrity) },
        })),
      ],
    },
    runDetails: { builder: { id: builder } },
  },
};
process.stdout.write(`${JSON.stringify(statement, undefined, 2)}\n`);
