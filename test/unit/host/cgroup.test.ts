import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { NO_CGROUP_IDENTITY, parseCgroup } from '../../../exporter/host/cgroup.js';
import { assertLinear } from '../../helpers/hostile-input.js';

const FIXTURES = 'test/fixtures/cgroup';
const names = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -4));
const fixture = (name: string): string => readFileSync(`${FIXTURES}/${name}.txt`, 'utf8');

describe('the layout', () => {
  for (const name of names) {
    it(name, () => {
      const expected: unknown = JSON.parse(readFileSync(`${FIXTURES}/${name}.expect.json`, 'utf8'));
      assert.deepEqual(parseCgroup(fixture(name)), expected);
    });
  }

  it('has an expectation each, and no expectation is left over', () => {
    const expectations = readdirSync(FIXTURES).filter((name) => name.endsWith('.expect.json'));
    assert.deepEqual(expectations.map((name) => name.slice(0, -'.expect.json'.length)).sort(), [...names].sort());
    assert.ok(names.length > 60);
  });
});

test('reads the file of this process', () => {
  assertExact(parseCgroup(readFileSync('/proc/self/cgroup', 'utf8')));
});

describe('hostile text', () => {
  const id = 'a'.repeat(64);
  const texts: Readonly<Record<string, (bytes: number) => string>> = {
    newlines: (bytes) => '\n'.repeat(bytes),
    slashes: (bytes) => `0::${'/'.repeat(bytes)}`,
    dashes: (bytes) => `0::/${'-'.repeat(bytes)}`,
    'one name': (bytes) => `0::/${'kubepods-'.repeat(bytes / 9)}pod.slice`,
    colons: (bytes) => ':'.repeat(bytes),
    digits: (bytes) => '0'.repeat(bytes),
    NUL: (bytes) => '\0'.repeat(bytes),
    slices: (bytes) => `0::/${'a.slice:docker:'.repeat(bytes / 15)}`,
  };
  for (const [what, text] of Object.entries(texts)) {
    it(`a megabyte of ${what} is nobody, in linear time`, () => {
      const parse = (bytes: number) => {
        const evil = text(bytes);
        return () => void assert.deepEqual(parseCgroup(evil), NO_CGROUP_IDENTITY);
      };
      assertLinear(what, parse, 128 * 1024);
    });
  }

  it('a line break does not make a second hierarchy out of a name', () => {
    // The kernel refuses such names; a made-up file shows that the id has to stand alone.
    assert.equal(parseCgroup(`0::/docker/${id}\n/x`).containerId, id);
    assert.equal(parseCgroup(`0::/x\n/docker/${id}`).containerId, '');
  });

  it('of two pods on two lines, the one with a container counts', () => {
    const [a, b] = ['0', '1'].map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`);
    const text = `0::/kubepods/pod${a}\n5:devices:/kubepods/pod${b}/${id}\n`;
    assert.deepEqual(parseCgroup(text), { ...NO_CGROUP_IDENTITY, podUid: b, containerId: id });
  });
});

describe('property', () => {
  const pieces = fc.constantFrom(
    ...names.flatMap((name) => fixture(name).split(/([/:\n-])/)),
    '..',
    '\0',
    '\r',
    '\u2028',
    '"',
    ' (deleted)',
    'pod',
    '.slice',
    '.scope',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.oneof({ weight: 5, arbitrary: pieces }, fc.string()), { maxLength: 40 }).map((parts) => parts.join('')),
  );

  it('any text gives an identity whose every field is empty or exact', () => {
    fc.assert(
      fc.property(text, (given) => assertExact(parseCgroup(given))),
      { numRuns: 5000 },
    );
  });

  it('a process below a known one has the same pod and container', () => {
    const below = fc.array(fc.constantFrom('init', 'system.slice', 'a.service', 'user', 'ctr', '..x'), {
      maxLength: 4,
    });
    const known = names.filter((name) => name.startsWith('k8s-') && !/conmon|removed|level-only/.test(name));
    fc.assert(
      fc.property(fc.constantFrom(...known), below, (name, levels) => {
        const base = fixture(name);
        const deeper = base.replaceAll('\n', `${levels.map((level) => `/${level}`).join('')}\n`);
        assert.deepEqual(parseCgroup(deeper), parseCgroup(base));
      }),
    );
  });
});

function assertExact({ containerId, podUid, systemdUnit, slurmJobId }: ReturnType<typeof parseCgroup>): void {
  assert.match(containerId, /^(?:[0-9a-f]{64})?$/);
  assert.match(podUid, /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})?$/);
  assert.match(systemdUnit, /^(?:[A-Za-z0-9:_.\\@-]{1,247}\.(?:service|scope))?$/);
  assert.match(slurmJobId, /^\d{0,10}$/);
}
