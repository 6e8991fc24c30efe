// Writes a CycloneDX bill of materials: the npm packages that package-lock.json names without those of development, Node.js, and the
// Debian packages that an image says its files are from.
//
//   node packaging/sbom.mjs NODE_VERSION [ROOT_OF_IMAGE] >sbom.cdx.json
//
//   SOURCE_DATE_EPOCH  its time

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [nodeVersion, root] = process.argv.slice(2);
const npm = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--omit=dev', '--package-lock-only'];
const bom = JSON.parse(execFileSync('npm', npm, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }));

bom.components.push(
  {
    'bom-ref': `node@${nodeVersion}`,
    type: 'platform',
    name: 'node',
    version: nodeVersion,
    purl: `pkg:generic/node@${nodeVersion}`,
    licenses: [{ license: { id: 'MIT' } }],
  },
  ...(root === undefined ? [] : debianPackages(join(root, 'var/lib/dpkg/status.d'))),
);
// The same source gives the same bytes.
bom.metadata.timestamp = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? 0) * 1000).toISOString();
delete bom.serialNumber;
const hash = createHash('sha256').update(JSON.stringify(bom)).digest('hex');
bom.serialNumber = `urn:uuid:${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
process.stdout.write(`${JSON.stringify(bom, undefined, 2)}\n`);

function debianPackages(folder) {
  if (!existsSync(folder)) throw new Error(`${folder} is missing: is this the root folder of the image?`);
  return readdirSync(folder)
    .sort()
    .map((file) => {
      const status = readFileSync(join(folder, file), 'utf8');
      const field = (name) => new RegExp(`^${name}: (.+)$`, 'm').exec(status)?.[1];
      const [name, version, architecture] = [field('Package'), field('Version'), field('Architecture')];
      const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
      return { 'bom-ref': purl, type: 'library', name, version, purl };
    });
}
