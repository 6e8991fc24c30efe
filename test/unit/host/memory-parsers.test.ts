import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFdinfoMemory } from '../../../exporter/host/fdinfo-memory.js';
import { parseMemoryManager, parseMemoryRegions } from '../../../exporter/host/memory-regions.js';
import type { ClientRegionMemory } from '../../../exporter/host/memory.js';

const KIB = 1024;
const MIB = 1024 ** 2;
const fixture = (path: string): string =>
  readFileSync(new URL(`../../../../test/fixtures/${path}`, import.meta.url), 'utf8');

const memory = (region: string, residentBytes: number): ClientRegionMemory => ({ region, residentBytes });

test('the fdinfo of a discrete GPU of Linux 7.2', () => {
  assert.deepEqual(parseFdinfoMemory(fixture('fdinfo/xe-7.2.txt')), [
    memory('system', 0),
    memory('gtt', 192 * KIB),
    memory('vram0', 23_992 * KIB),
    memory('stolen', 0),
  ]);
});

test('the fdinfo of an integrated GPU of Linux 6.8', () => {
  assert.deepEqual(parseFdinfoMemory(fixture('fdinfo/xe-6.8-integrated.txt')), [
    memory('system', 0),
    memory('gtt', 40 * KIB),
  ]);
});

test('bytes without a unit; what cannot be a size, or is no key, is not there', () => {
  assert.deepEqual(parseFdinfoMemory(fixture('fdinfo/hostile.txt')), [memory('vram0', 1)]);
  assert.deepEqual(parseFdinfoMemory(''), []);
});

test('the regions of one client are bounded', () => {
  const many = Array.from({ length: 1000 }, (_, index) => `drm-resident-r${index}:\t1`).join('\n');
  assert.equal(parseFdinfoMemory(many).length, 16);
});

test('a memory manager in debugfs: bytes of VRAM, pages of host memory', () => {
  assert.deepEqual(parseMemoryManager(fixture('memory-manager/vram_mm-7.2.txt'), 'vram0'), {
    region: 'vram0',
    usedBytes: 2_336_817_152,
    sizeBytes: 12_809_404_416,
  });
  assert.deepEqual(parseMemoryManager(fixture('memory-manager/gtt_mm-7.2.txt'), 'gtt', 4096), {
    region: 'gtt',
    usedBytes: 201_326_592,
    sizeBytes: 8_123_904 * 4096,
  });
  for (const text of [
    '',
    '  size: 1\n',
    '  usage: 1\n',
    '  size: -1\n  usage: 1\n',
    '  size: 99999999999999999\n  usage: 1',
  ]) {
    assert.equal(parseMemoryManager(text, 'vram0'), undefined, text);
  }
});

interface Region {
  readonly memoryClass: number;
  readonly instance: number;
  readonly size: bigint;
  readonly used: bigint;
}

function query(count: number, ...regions: readonly Region[]): Uint8Array {
  const bytes = Buffer.alloc(8 + regions.length * 88);
  bytes.writeUInt32LE(count);
  regions.forEach(({ memoryClass, instance, size, used }, index) => {
    const at = 8 + index * 88;
    bytes.writeUInt16LE(memoryClass, at);
    bytes.writeUInt16LE(instance, at + 2);
    bytes.writeBigUInt64LE(size, at + 8);
    bytes.writeBigUInt64LE(used, at + 16);
  });
  return bytes;
}

const SYSTEM = { memoryClass: 0, instance: 0, size: 64n << 30n, used: 0n };
const VRAM0 = { memoryClass: 1, instance: 1, size: 12n << 30n, used: 5n << 30n };

test('the answer to the query', () => {
  assert.deepEqual(parseMemoryRegions(query(3, SYSTEM, VRAM0, { ...VRAM0, instance: 2, used: 0n })), [
    { region: 'gtt', sizeBytes: 64 * KIB * MIB, usedBytes: 0 },
    { region: 'vram0', sizeBytes: 12 * KIB * MIB, usedBytes: 5 * KIB * MIB },
    { region: 'vram1', sizeBytes: 12 * KIB * MIB, usedBytes: 0 },
  ]);
});

test('a kernel that does not tell what is used, because the right to know is missing', () => {
  assert.deepEqual(
    parseMemoryRegions(query(2, SYSTEM, { ...VRAM0, used: 0n })).map(({ usedBytes }) => usedBytes),
    [undefined, undefined],
  );
});

test('counts that lie, classes of a later kernel, numbers beyond a double', () => {
  assert.equal(parseMemoryRegions(query(0xffff_ffff, VRAM0)).length, 1);
  assert.equal(parseMemoryRegions(query(0, VRAM0)).length, 0);
  assert.equal(parseMemoryRegions(query(1, VRAM0).subarray(0, 95)).length, 0);
  assert.equal(parseMemoryRegions(query(2, { ...VRAM0, memoryClass: 2 }, VRAM0)).length, 1);
  assert.equal(parseMemoryRegions(query(1, { ...VRAM0, size: 1n << 60n })).length, 0);
  assert.equal(parseMemoryRegions(query(500, ...Array.from({ length: 500 }, () => VRAM0))).length, 16);
});

test('any bytes and any text come out as sizes, or not at all', () => {
  const isSize = (value: number | undefined) => value === undefined || (Number.isSafeInteger(value) && value >= 0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      for (const { sizeBytes, usedBytes } of parseMemoryRegions(bytes))
        assert.ok(isSize(sizeBytes) && isSize(usedBytes));
    }),
  );
  const key = fc.constantFrom(
    'drm-total-vram0',
    'drm-resident-gtt',
    'drm-shared-',
    'drm-client-name',
    '  size',
    '  usage',
  );
  const value = fc.oneof(fc.string(), fc.bigInt().map(String), fc.constantFrom(' KiB', ' MiB', '\t', '\n', ':'));
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value, value)), (lines) => {
      const text = lines.map(([name, ...rest]) => `${name}:\t${rest.join('')}`).join('\n');
      for (const { region, ...bytes } of parseFdinfoMemory(text)) {
        assert.match(region, /^[a-z][a-z0-9_]*$/);
        for (const size of Object.values(bytes)) assert.ok(isSize(size));
      }
      const manager = parseMemoryManager(text, 'gtt', 4096);
      assert.ok(isSize(manager?.sizeBytes) && isSize(manager?.usedBytes));
    }),
  );
});
