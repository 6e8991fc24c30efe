import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CodedError } from '../../exporter/errors.js';
import { loadNative } from '../../exporter/native/load.js';

function failureOf(path: string): CodedError {
  try {
    loadNative(path);
  } catch (error) {
    assert.ok(error instanceof CodedError);
    return error;
  }
  assert.fail('it loaded');
}

test('an addon that is not there is reported with its path and the fix', () => {
  const error = failureOf('/nowhere/xe_exporter.node');
  assert.equal(error.code, 'XEE_ADDON_NOT_LOADABLE');
  assert.match(error.message, /\/nowhere\/xe_exporter\.node: not found/);
  assert.match(error.fix, /npm rebuild/);
  assert.match(error.fix, /apt-get install g\+\+ make python3/);
});

test('an addon that is there and broken is reported with what the loader said', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-load-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'broken.node');
  writeFileSync(path, 'not an ELF file');
  const error = failureOf(path);
  assert.match(error.message, /broken\.node: .*(file too short|invalid ELF header)/);
  assert.equal((error.cause as NodeJS.ErrnoException).code, 'ERR_DLOPEN_FAILED');
});
