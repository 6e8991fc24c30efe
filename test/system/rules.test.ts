import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { prometheusRules } from '../../dashboards/formats/prometheus.js';
import { DEFAULT_RULES_CONFIG } from '../../dashboards/rules/config.js';
import { tool } from './tool.js';

const TESTS = 'test/system/rules';
const RULES = 'dashboards/out/prometheus/xe-exporter.rules.yaml';
const ALERTMANAGER_CONFIG = 'dashboards/out/alertmanager/alertmanager.yaml';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'xe-exporter-rules-'));
  copyFileSync(RULES, join(folder, 'xe-exporter.rules.yaml'));
  const vramNearlyFull = { ...DEFAULT_RULES_CONFIG.vramNearlyFull, enabled: true };
  writeFileSync(join(folder, 'everything.rules.yaml'), prometheusRules({ ...DEFAULT_RULES_CONFIG, vramNearlyFull }));
  for (const test of readdirSync(TESTS)) copyFileSync(join(TESTS, test), join(folder, test));
});
after(() => rmSync(folder, { recursive: true }));

for (const version of ['2', '3'] as const) {
  describe(`promtool of Prometheus ${version}`, () => {
    const promtool = (...args: string[]) => check(tool('PROMTOOL', version), ...args);

    for (const rules of ['xe-exporter.rules.yaml', 'everything.rules.yaml']) {
      it(`has nothing to say about ${rules}`, () => promtool('check', 'rules', '--lint=all', '--lint-fatal', rules));
    }
    for (const test of readdirSync(TESTS)) it(`passes ${test}`, () => promtool('test', 'rules', test));
  });

  describe(`amtool of the Alertmanager beside Prometheus ${version}`, () => {
    it('accepts the example', () => check(tool('AMTOOL', version), 'check-config', resolve(ALERTMANAGER_CONFIG)));
  });
}

/** Runs a checker in the folder of the rules; it is to end well. */
function check(program: string, ...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}
