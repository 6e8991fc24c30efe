import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemdUnit } from '../helpers/install-document.js';

/** systemd's own scale from 0 (nothing is open) to 10; what is left is what watching takes. */
const MOST_EXPOSED = 3;

const folder = mkdtempSync(join(tmpdir(), 'xe-unit-'));
const unit = join(folder, 'xe-exporter.service');
writeFileSync(unit, systemdUnit());
after(() => rmSync(folder, { recursive: true }));

function analyze(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, unit], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return stdout + stderr;
}

describe('the systemd unit of INSTALL.md', () => {
  it('is understood by systemd', () => {
    assert.equal(analyze('verify', '--man=no'), '');
  });

  it('leaves little open, as systemd judges', () => {
    const verdict = analyze('security', '--offline=yes', `--threshold=${MOST_EXPOSED * 10}`);
    assert.match(verdict, /Overall exposure level/);
  });
});
