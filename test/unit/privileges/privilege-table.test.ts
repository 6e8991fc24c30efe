import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { privilegeTable } from '../../../docs/generator/privileges.js';
import { explainPrivileges } from '../../../exporter/privileges/explain.js';
import { PRIVILEGES, UNPRIVILEGED_UID } from '../../../exporter/privileges/table.js';
import { FEATURES } from '../../../exporter/names.js';
import { dockerRun } from '../../helpers/install-document.js';
import { capabilitiesOf, containerUid, privilegesOf, USUAL_CAPABILITIES } from '../../helpers/privileges.js';

const ALL = USUAL_CAPABILITIES;
const dockerfile = readFileSync('Dockerfile', 'utf8');
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

describe('the privilege table', () => {
  it('has every feature once, in their order, and an answer to every question', () => {
    assert.deepEqual(
      PRIVILEGES.map(({ feature }) => feature),
      FEATURES,
    );
    for (const { does, why, without } of PRIVILEGES)
      for (const text of [does, why, without]) assert.ok(text.length > 10);
  });

  it('adds up what some features need', () => {
    assert.deepEqual(capabilitiesOf(privilegesOf(['discovery_debugfs', 'otlp'])), ['DAC_READ_SEARCH']);
    assert.deepEqual(capabilitiesOf(privilegesOf(['kubernetes', 'otlp'])), []);
    assert.equal(containerUid(ALL), 0);
    assert.equal(containerUid([]), UNPRIVILEGED_UID);
  });

  it('is shown whole, for documents and for a terminal', () => {
    for (const text of [privilegeTable(), explainPrivileges()])
      for (const { feature, without } of PRIVILEGES)
        assert.ok(text.includes(feature) && text.replaceAll('`', '').includes(without.replaceAll('`', '')), feature);
    assert.match(
      explainPrivileges(),
      /needs {4}a service account that may list and watch pods, or \/var\/log\/pods and \S+ read-only/,
    );
    assert.match(
      explainPrivileges(),
      /namespace; \/sys\/kernel\/debug read-only, or access to \/dev\/dri\/renderD\*$/m,
    );
  });
});

describe('the systemd unit', () => {
  const unit = readFileSync('packaging/systemd/xe-exporter.service', 'utf8');
  const setting = (name: string): string[] =>
    [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].flatMap(([, value]) => value!.split(' '));

  it('has the capabilities of the table and no others', () => {
    const expected = ALL.map((name) => `CAP_${name}`);
    assert.deepEqual(setting('AmbientCapabilities'), expected);
    assert.deepEqual(setting('CapabilityBoundingSet'), expected);
    assert.deepEqual(setting('User'), ['xe-exporter']);
  });

  it('hides nothing the table asks for', () => {
    for (const { hostPid, devices } of PRIVILEGES) {
      if (hostPid) assert.doesNotMatch(unit, /^(PrivatePIDs|PrivateUsers|ProtectProc|ProcSubset)=/m);
      if (devices.includes('/dev/dri/renderD*')) assert.match(unit, /^DeviceAllow=char-drm rw$/m);
      if (devices.includes('/dev/kmsg')) {
        assert.match(unit, /^DeviceAllow=\/dev\/kmsg r$/m);
        assert.doesNotMatch(unit, /^ProtectKernelLogs=/m);
      }
    }
  });
});

describe('the docker command of INSTALL.md', () => {
  const run = dockerRun();
  const values = (name: string): string[] =>
    run.flatMap((word) => (word.startsWith(`--${name}=`) ? [word.slice(name.length + 3)] : []));

  it('gives what the table asks for and no more', () => {
    assert.deepEqual(values('cap-drop'), ['ALL']);
    assert.deepEqual(values('cap-add'), ALL);
    assert.deepEqual(values('user'), [String(containerUid(ALL))]);
    assert.deepEqual(values('pid'), ['host']);
    const mounts = PRIVILEGES.flatMap((row) => row.mounts.filter(({ optional }) => optional !== true));
    assert.deepEqual(values('volume'), [
      ...new Set(mounts.map(({ path, writable }) => `${path}:${path}${writable ? '' : ':ro'}`)),
    ]);
    assert.deepEqual(values('device'), ['/dev/dri', '/dev/kmsg:/dev/kmsg:r']);
    assert.ok(run.includes('--read-only') && !run.includes('--privileged'));
  });
});

describe('the Dockerfile', () => {
  it('runs as nobody in particular', () => {
    assert.match(dockerfile, new RegExp(`^USER ${UNPRIVILEGED_UID}:${UNPRIVILEGED_UID}$`, 'm'));
  });

  it('labels the image with the version of the package', () => {
    assert.match(dockerfile, new RegExp(`^ARG VERSION=${version.replaceAll('.', '\\.')}$`, 'm'));
  });
});
