import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseCgroup } from '../../../exporter/host/cgroup.js';
import { cgroupOwner, principalOf } from '../../../exporter/host/cgroup-owner.js';

const FIXTURES = new URL('../../../../test/fixtures/cgroup/', import.meta.url);
const fixture = (name: string): string => readFileSync(new URL(`${name}.txt`, FIXTURES), 'utf8');
const names = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.txt'))
  .map((file) => file.slice(0, -'.txt'.length));

const POD = '0a1b2c3d-1111-4222-8333-444455556666';
const ID = '4f1c2d3e5a6b7c8d9e0f11223344556677889900aabbccddeeff001122334455';

describe('the owner of a process', () => {
  const expected: Readonly<Record<string, string>> = {
    'k8s-systemd-containerd-v1': `pod:${POD}`,
    'k8s-systemd-crio-container-subgroup': `pod:${POD}`,
    'k8s-systemd-static-pod': 'pod:1d7a3c0f9b8e4d2c6a5f00112233aabb',
    'namespace-relative-systemd': `pod:${POD}`,
    'nested-docker-in-pod': `pod:${POD}`,
    'nested-k3s-service': `unit:k3s.service/pod:${POD}`,
    'nested-k3s-in-pod': `pod:ffffeeee-2222-4333-8444-555566667777/pod:${POD}`,
    'docker-systemd-v2': `container:${ID}`,
    'docker-systemd-in-container': `container:${ID}`,
    'docker-rootless': `user:1000/container:${ID}`,
    'podman-quadlet': `unit:inference.service/container:${ID}`,
    'slurm-v1-multiple-slurmd': 'slurm:4294967294',
    'slurm-v2': 'slurm:123',
    'systemd-service-v2': 'unit:ollama.service',
    'systemd-init': '',
    'kernel-thread': '',
    empty: '',
  };
  for (const [name, owner] of Object.entries(expected)) {
    it(`in ${name} is ${owner || 'nobody'}`, () => assert.equal(cgroupOwner(fixture(name)), owner));
  }

  it('is there for whatever has a name', () => {
    for (const name of names) {
      const { containerId, podUid, systemdUnit, slurmJobId } = parseCgroup(fixture(name));
      const isSomebody = [containerId, podUid, slurmJobId].some((id) => id !== '') || systemdUnit !== '';
      if (isSomebody && !/^bad-|^systemd-init/.test(name)) assert.notEqual(cgroupOwner(fixture(name)), '', name);
    }
  });

  it('is not the unit around the jobs of Slurm, which would be one for all of them', () => {
    const v1 = '4:memory:/slurm/uid_1000/job_7/step_0\n1:name=systemd:/system.slice/slurmd.service\n';
    assert.equal(cgroupOwner(v1), 'slurm:7');
  });
});

describe('a process that makes cgroups of its own', () => {
  const victims = names.map((name) => [name, cgroupOwner(fixture(name))] as const).filter(([, owner]) => owner !== '');
  const path = (text: string): string => /^0::(.*)$/m.exec(text)?.[1]?.replace(/\/$/, '') ?? '';
  const v2 = names.filter((name) => /^0::\/./m.test(fixture(name)) && !/^\d+:[^:]/m.test(fixture(name)));

  it('never gets the owner of another workload, whatever it calls them', () => {
    for (const own of v2) {
      const before = cgroupOwner(fixture(own));
      if (before === '') continue;
      for (const [victim, owner] of victims) {
        // What belongs to one user, that user can arrange as they like.
        const isSameUser = before.startsWith('user:') && principalOf(owner) === principalOf(before);
        if (owner === before || isSameUser) continue;
        const forged = `0::${path(fixture(own))}${path(fixture(victim)).replaceAll('/..', '')}\n`;
        assert.notEqual(cgroupOwner(forged), owner, `${own} as ${victim}`);
        assert.equal(principalOf(cgroupOwner(forged)), principalOf(before));
      }
    }
  });

  it('keeps its own owner in front, for any path', () => {
    const segment = fc.constantFrom(
      `pod${POD}`,
      `kubepods-pod${POD.replaceAll('-', '_')}.slice`,
      ID,
      `docker-${ID}.scope`,
      'slurm',
      'job_7',
      'user-0.slice',
      'user@0.service',
      'a.service',
      'init.scope',
      'x',
      '..',
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), (inner) => {
        for (const own of ['/system.slice/train.service', '/user.slice/user-1000.slice/user@1000.service/app.slice']) {
          const owner = cgroupOwner(`0::${[own, ...inner].join('/')}\n`);
          assert.equal(principalOf(owner), principalOf(cgroupOwner(`0::${own}\n`)));
        }
      }),
    );
  });

  it('belongs to nobody when its path grows beyond bounds', () => {
    assert.equal(cgroupOwner(`0::/user.slice/user-1000.slice${'/a.service'.repeat(400)}\n`), '');
  });
});
