import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatReport, makeReport } from '../../../exporter/commands/doctor/report.js';
import { device, GOOD, privileges, noAddon } from './doctor-facts.js';

describe('a node on which everything works', () => {
  it('has only good news', () => {
    const report = makeReport(GOOD, '1.2.3');
    assert.equal(report.status, 'ok');
    assert.deepEqual(
      report.checks.filter(({ status }) => status !== 'ok'),
      [],
    );
    assert.match(formatReport(report, false), /Everything requested works\.\n$/);
  });
});

describe('the verdict', () => {
  const denied = privileges({ capabilities: 0n });

  it('is degraded when something wanted fails', () => {
    const report = makeReport({ ...GOOD, ...denied }, '0.0.0');
    assert.equal(report.status, 'degraded');
    assert.match(formatReport(report, false), /Degraded: 2 of \d+ checks failed/);
  });

  it('is idle on a node without a device, whatever else is missing', () => {
    const report = makeReport({ ...GOOD, ...denied, devices: [], watches: [], clients: undefined }, '0.0.0');
    assert.equal(report.status, 'idle');
    assert.match(formatReport(report, false), /no xe device: the exporter is idle here, which is fine/);
  });

  it('does not count what only watching needs when watching is switched off', () => {
    const report = makeReport({ ...GOOD, ...denied, watchingOff: '--mode=fallback', watches: [] }, '0.0.0');
    const found = (id: string) => report.checks.find(({ check }) => check === id);
    assert.equal(report.status, 'ok');
    assert.equal(found('watch_ioctl')?.status, 'off');
    assert.equal(found('watch_ioctl')?.seen, 'not needed with --mode=fallback');
    // Without it nobody can be named as the likely victim.
    assert.equal(found('cap_sys_ptrace')?.status, 'warn');
    assert.match(found('cap_sys_ptrace')?.fix ?? '', /SYS_PTRACE/);
  });
});

describe('the report', () => {
  it('has one line for each device', () => {
    const other = { ...device, pciBdf: '0000:04:00.0' };
    const watches = [...GOOD.watches, ...GOOD.watches.map(({ support }) => ({ device: other, support }))];
    const lines = makeReport({ ...GOOD, devices: [device, other], watches }, '0.0.0').checks.filter(
      ({ check }) => check === 'watch_ioctl',
    );
    assert.deepEqual(
      lines.map((line) => line.device),
      ['0000:03:00.0', '0000:04:00.0'],
    );
  });

  it('has the documented shape', () => {
    const report = JSON.parse(JSON.stringify(makeReport(GOOD, '1.2.3'))) as Record<string, unknown>;
    assert.deepEqual(Object.keys(report), ['schema', 'version', 'status', 'devices', 'checks']);
    assert.deepEqual(report['devices'], [{ pci_bdf: '0000:03:00.0', device_id: '0xe20b', render: 'renderD128' }]);
    assert.deepEqual((report['checks'] as unknown[])[0], {
      check: 'kernel',
      title: 'kernel',
      status: 'ok',
      seen: '7.2.13',
      fix: '',
    });
  });

  it('is aligned, with colours only when asked for', () => {
    const report = makeReport(
      { ...GOOD, addonError: noAddon, otlp: { wanted: false, reason: 'none', warning: undefined } },
      '0.0.0',
    );
    const plain = formatReport(report, false);
    assert.doesNotMatch(plain, /\u001b/);
    assert.match(plain, /^✘ native addon {11}the native addon does not load/m);
    assert.match(plain, /^ {25}→ Run "npm rebuild"\.$/m);
    assert.ok(formatReport(report, true).includes('\u001b[31m✘\u001b[0m native addon'));
  });
});
