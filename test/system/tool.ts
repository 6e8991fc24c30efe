import assert from 'node:assert/strict';

/** Path of a real tool that tools.sh fetched; Alertmanager goes with the Prometheus of the same Debian suite. */
export function tool(name: 'PROMETHEUS' | 'PROMTOOL' | 'ALERTMANAGER' | 'AMTOOL', version: '2' | '3'): string {
  const path = process.env[`XE_EXPORTER_TEST_${name}_${version}`];
  assert.ok(path, `XE_EXPORTER_TEST_${name}_${version} is not set: run this through test/system/run.sh`);
  return path;
}
