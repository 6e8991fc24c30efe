import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import type { CommandContext } from '../../../exporter/app/context.js';
import { CHECKS } from '../../../exporter/commands/doctor/checks.js';
import { gatherFacts } from '../../../exporter/commands/doctor/facts.js';
import type { ClientFacts, Facts, Finding } from '../../../exporter/commands/doctor/finding.js';
import type { MemoryFacts } from '../../../exporter/commands/doctor/memory-facts.js';
import { formatReport, makeReport } from '../../../exporter/commands/doctor/report.js';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig } from '../../../exporter/config/load.js';
import { webConfig } from '../../../exporter/commands/doctor/web-config-check.js';
import { CodedError, codedError } from '../../../exporter/errors.js';
import { loadProtection } from '../../../exporter/web-config/protection.js';
import type { DrmFd, NativeAddon } from '../../../exporter/native/binding.js';

import { loadNative } from '../../../exporter/native/load.js';
import type { SourceName } from '../../../exporter/names.js';
import { aDevice } from '../../helpers/events.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { pem } from '../../helpers/web-config.js';

const { EACCES, EAGAIN, EINVAL, ENOENT, EPERM, ESRCH } = constants.errno;
const ENOPKG = 65;
const ENOTTY = 25;
const GIB = 1024 ** 3;

const device = aDevice();
const fd: DrmFd = { pid: 42, fd: 5, minor: 128, startTime: 1n, comm: 'app' };
const clients: ClientFacts = {
  scan: { fds: [fd], gpuFree: new Float64Array(), processes: 90, skipped: 0, denied: 0 },
  tried: 1,
  borrowed: 1,
  gone: 0,
  refusal: undefined,
};

/** What a fixture of the web configuration asks for; `certificate` takes the place of the server's. */
function protection(fixture: string, certificate?: string): Facts['webConfig'] {
  const { outcome } = loadProtection(`test/fixtures/web-config/${fixture}`);
  if (certificate === undefined || outcome instanceof CodedError || outcome.tls === undefined) return outcome;
  return { ...outcome, tls: { ...outcome.tls, certificate: new X509Certificate(pem(certificate)) } };
}

/** A node on which everything works. */
const GOOD: Facts = {
  nodeVersion: '20.20.2',
  watchingOff: undefined,
  maxClients: 4096,
  sysRoot: '/sys',
  scanIntervalMs: 5000,
  announced: { path: '/sys/kernel/debug/dri', clients: 3 },
  podNames: { state: 'active', reason: '', fix: '' },
  kubernetesEvents: { state: 'active', reason: '', fix: '' },
  coredumps: { state: 'active', reason: '', fix: '' },
  privileges: {
    effectiveUid: 0,
    capabilities: (1n << 19n) | (1n << 2n),
    seccompMode: 0,
    yamaScope: 1,
    inInitialPidNamespace: true,
    inInitialUserNamespace: true,
    securityLabel: 'unconfined',
    openFiles: { soft: 1024, hard: 524_288 },
    kernelRelease: '7.2.13',
  },
  devices: [device],
  survivability: [],
  addonError: undefined,
  pipe: undefined,
  watches: [{ device, support: { request: 0x4010644f, state: 'active', reason: 'ioctl 0x0f', fix: '', retry: false } }],
  clients,
  messages: [{ source: 'kmsg', report: { state: 'active', reason: '', fix: '' } }],
  dynamicEvents: ['xe_exporter/vm_kill'],
  memory: [
    {
      device,
      from: 'debugfs',
      hung: false,
      regions: [
        { region: 'vram0', usedBytes: GIB / 2, sizeBytes: 12 * GIB },
        { region: 'gtt', usedBytes: 0, sizeBytes: 31 * GIB },
      ],
      regionsRefusal: undefined,
      clientRefusal: undefined,
      tried: 3,
      readable: 3,
    },
  ],
  otlp: { wanted: true, reason: 'OTEL_EXPORTER_OTLP_ENDPOINT is set', warning: undefined },
  otlpMetrics: { wanted: true, reason: 'OTEL_EXPORTER_OTLP_ENDPOINT is set', warning: undefined },
  webConfig: protection('everything.good.yml'),
};
const memory = (change: Partial<MemoryFacts>): Partial<Facts> => ({
  memory: GOOD.memory?.map((facts) => ({ ...facts, ...change })),
});
const privileges = (change: Partial<Facts['privileges']>): Partial<Facts> => ({
  privileges: { ...GOOD.privileges, ...change },
});
/** A kernel without the watch ioctl, where these sources can be read. */
const heard = (...sources: SourceName[]): Partial<Facts> => ({
  watches: [],
  messages: sources.map((source) => ({ source, report: { state: 'active', reason: 'heard', fix: '' } })),
});
const noAddon = codedError('XEE_ADDON_NOT_LOADABLE', { tried: 'no such file', fix: 'Run "npm rebuild".' });

function finding(check: string, change: Partial<Facts>): Finding {
  const found = makeReport({ ...GOOD, ...change }, '0.0.0').checks.find((line) => line.check === check);
  assert.ok(found !== undefined, check);
  return found;
}

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

describe('checks', () => {
  const cases: readonly [string, Partial<Facts>, Finding['status'], RegExp, RegExp][] = [
    ['kernel', privileges({ kernelRelease: undefined }), 'warn', /procfs/, /--path-procfs/],
    ['addon', { addonError: noAddon }, 'fail', /no such file/, /npm rebuild/],
    ['devices', { devices: [], watches: [] }, 'off', /\/sys\/bus\/pci\/drivers\/xe/, /lspci/],
    ['devices', { devices: [{ ...device, render: undefined }] }, 'warn', /no render node/, /kernel log/],
    ['devices', { survivability: [device] }, 'fail', /survivability mode/, /fwupdmgr/],
    ['devices', { devices: [{ ...device, model: 'Arc B580' }] }, 'ok', /^Arc B580, renderD128$/, /^$/],
    [
      'clients_announced',
      { announced: { path: '/d', clients: 0 } },
      'warn',
      /every 5 s, and earlier errors are missed/,
      /7\.x/,
    ],
    ['clients_announced', { announced: { path: '/d', clients: -1 } }, 'warn', /cannot be read/, /--path-debugfs/],
    ['clients_announced', { devices: [] }, 'off', /no xe device/, /^$/],
    ['clients_announced', { announced: undefined }, 'off', /--discovery=proc: .* every 5 s/, /^$/],
    [
      'pod_names',
      { podNames: { state: 'denied', reason: '403', fix: 'grant it' } },
      'warn',
      /ids only: 403/,
      /grant it/,
    ],
    ['pod_names', { podNames: { state: 'disabled', reason: 'no node', fix: '' } }, 'off', /no node/, /^$/],
    ['coredumps', { coredumps: undefined }, 'off', /^not copied$/, /--coredump-dir/],
    [
      'coredumps',
      { coredumps: { state: 'denied', reason: 'may not read', fix: 'be root' } },
      'fail',
      /^may not read$/,
      /root/,
    ],
    ['kubernetes_events', { kubernetesEvents: undefined }, 'off', /^off$/, /--kubernetes-events/],
    [
      'kubernetes_events',
      { kubernetesEvents: { state: 'denied', reason: 'may not patch events', fix: 'grant it' } },
      'fail',
      /may not patch/,
      /grant it/,
    ],
    ['victims', { devices: [] }, 'off', /no xe device/, /^$/],
    ['victims', heard('trace', 'kmsg'), 'ok', /^exactly, by the trace of the driver: heard$/, /^$/],
    ['victims', heard('kmsg'), 'warn', /^inferred .* _unattributed$/, /writable tracefs/],
    ['victims', heard(), 'warn', /^not at all/, /writable tracefs/],
    ['dynamic_events', { dynamicEvents: undefined }, 'off', /tracefs cannot be read/, /^$/],
    [
      'dynamic_events',
      { dynamicEvents: ['xe_exporter/vm_kill', 'k/a', 'k/b', 'k/c', 'x/d'] },
      'ok',
      /^of others: k\/a, k\/b, k\/c and 1 more; they are left alone$/,
      /^$/,
    ],
    ['notification_pipe', { addonError: noAddon }, 'off', /addon/, /^$/],
    ['notification_pipe', { pipe: { operation: 'pipe2', errno: ENOPKG } }, 'fail', /CONFIG_WATCH_QUEUE/, /kernel/],
    ['notification_pipe', { pipe: { operation: 'pipe2', errno: EINVAL } }, 'fail', /5\.8|gVisor/, /runc/],
    ['notification_pipe', { pipe: { operation: 'set_size', errno: EPERM } }, 'fail', /EPERM/, /pipe-user-pages-soft/],
    ['notification_pipe', { pipe: { operation: 'set_size', errno: ENOTTY } }, 'fail', /emulator/, /architecture/],
    ['watch_ioctl', { addonError: noAddon }, 'off', /addon/, /^$/],
    ['watch_ioctl', { devices: [], watches: [] }, 'off', /no xe device/, /^$/],
    ['watch_ioctl', { pipe: { operation: 'pipe2', errno: ENOPKG } }, 'off', /no notification pipe/, /^$/],
    [
      'watch_ioctl',
      {
        watches: [
          {
            device,
            support: { request: undefined, state: 'unsupported', reason: 'none', fix: 'Patch.', retry: false },
          },
        ],
      },
      'fail',
      /none/,
      /Patch/,
    ],
    ['clients_visible', { addonError: noAddon }, 'off', /addon/, /^$/],
    ['clients_visible', { clients: undefined, devices: [] }, 'off', /no xe device/, /^$/],
    ['clients_visible', { clients: undefined }, 'off', /no drm nodes/, /^$/],
    [
      'clients_visible',
      { clients: { ...clients, scan: { ...clients.scan, denied: 3 } } },
      'warn',
      /3 processes cannot/,
      /capabilities/,
    ],
    [
      'clients_visible',
      {
        clients: {
          ...clients,
          scan: { ...clients.scan, fds: [], processes: 0, failure: { operation: 'opendir', errno: EACCES } },
        },
      },
      'fail',
      /opendir failed with EACCES/,
      /--path-procfs/,
    ],
    ['clients_borrowable', { addonError: noAddon }, 'off', /addon/, /^$/],
    ['clients_borrowable', { clients: undefined }, 'off', /clients cannot be searched/, /^$/],
    [
      'clients_borrowable',
      { clients: { ...clients, tried: 0, borrowed: 0 } },
      'ok',
      /no process has a device open/,
      /^$/,
    ],
    [
      'clients_borrowable',
      { clients: { ...clients, tried: 5, borrowed: 1, gone: 1, refusal: { operation: 'pidfd_getfd', errno: EPERM } } },
      'fail',
      /^1 of 4; pidfd_getfd was refused with EPERM$/,
      /Yama/,
    ],
    ['cap_sys_ptrace', privileges({ capabilities: 0n }), 'fail', /missing/, /Kubernetes: .*capabilities\.add.*systemd/],
    ['cap_sys_ptrace', privileges({ capabilities: undefined }), 'fail', /missing/, /SYS_PTRACE/],
    ['cap_dac_read_search', privileges({ capabilities: 1n << 19n }), 'fail', /uid 0 .*even as root/, /DAC_READ_SEARCH/],
    [
      'cap_dac_read_search',
      privileges({ capabilities: 0n, effectiveUid: 1000 }),
      'fail',
      /only processes of uid 1000/,
      /DAC_READ_SEARCH/,
    ],
    ['cap_dac_read_search', privileges({ capabilities: 2n }), 'ok', /CAP_DAC_OVERRIDE/, /^$/],
    ['yama', privileges({ yamaScope: undefined }), 'ok', /not in this kernel/, /^$/],
    ['yama', privileges({ yamaScope: 2 }), 'ok', /2/, /^$/],
    ['yama', privileges({ yamaScope: 3 }), 'fail', /not even root/, /ptrace_scope to 2 or less/],
    ['host_pid', privileges({ inInitialPidNamespace: false }), 'fail', /are not visible/, /hostPID: true.*--pid=host/],
    ['host_pid', privileges({ inInitialPidNamespace: undefined }), 'warn', /procfs/, /--path-procfs/],
    ['host_user', privileges({ inInitialUserNamespace: false }), 'fail', /have no effect outside/, /hostUsers/],
    ['host_user', privileges({ inInitialUserNamespace: undefined }), 'warn', /procfs/, /--path-procfs/],
    ['security_module', privileges({ securityLabel: undefined }), 'ok', /not confined/, /^$/],
    [
      'security_module',
      privileges({ securityLabel: 'docker-default (enforce)' }),
      'warn',
      /docker-default/,
      /Unconfined/,
    ],
    [
      'security_module',
      privileges({ securityLabel: 'system_u:system_r:container_t:s0' }),
      'warn',
      /container_t/,
      /spc_t/,
    ],
    ['security_module', privileges({ securityLabel: 'system_u:system_r:spc_t:s0' }), 'ok', /spc_t/, /^$/],
    ['seccomp', privileges({ seccompMode: 2 }), 'ok', /filtered/, /^$/],
    ['seccomp', privileges({ seccompMode: 2, capabilities: 0n }), 'warn', /pidfd_getfd/, /SYS_PTRACE/],
    ['open_files', privileges({ openFiles: undefined }), 'warn', /procfs/, /--path-procfs/],
    ['open_files', privileges({ openFiles: { soft: 1024, hard: 1024 } }), 'warn', /--max-clients=4096/, /LimitNOFILE/],
    ['open_files', privileges({ openFiles: { soft: 256, hard: 256 } }), 'fail', /the 1 clients/, /LimitNOFILE/],
    ['open_files', privileges({ openFiles: { soft: Infinity, hard: Infinity } }), 'ok', /unlimited/, /^$/],
    [
      'otlp',
      { otlp: { wanted: false, reason: 'no endpoint', warning: undefined } },
      'off',
      /no endpoint/,
      /--otlp-endpoint/,
    ],
    ['otlp', { otlp: { wanted: false, reason: 'not valid', warning: 'no URL' } }, 'fail', /not valid: no URL/, /OTEL_/],
    ['otlp', { otlp: { wanted: true, reason: 'set', warning: 'odd' } }, 'warn', /set; odd/, /OTEL_/],
    [
      'otlp_metrics',
      { otlpMetrics: { wanted: false, reason: 'not set', warning: undefined } },
      'off',
      /not set/,
      /--otlp-metrics/,
    ],
    [
      'otlp_metrics',
      { otlpMetrics: { wanted: false, reason: 'no endpoint', warning: '--otlp-metrics has no effect' } },
      'fail',
      /has no effect/,
      /--otlp-endpoint/,
    ],
    [
      'kernel_messages',
      { messages: [{ source: 'kmsg', report: { state: 'active', reason: 'read by syslog(2)', fix: '' } }] },
      'ok',
      /kmsg: read by syslog/,
      /^$/,
    ],
    [
      'kernel_messages',
      {
        messages: [
          {
            source: 'kmsg',
            report: { state: 'denied', reason: 'open failed with EPERM', fix: 'Give CAP_SYSLOG.' },
          },
        ],
      },
      'warn',
      /kmsg: open failed with EPERM/,
      /CAP_SYSLOG/,
    ],
    [
      'memory',
      {},
      'ok',
      /^vram0 0\.5 of 12\.0 GiB used, gtt 0\.0 of 31\.0 GiB used, from debugfs; memory of 3 of 3 open files, from fdinfo$/,
      /^$/,
    ],
    ['memory', memory({ from: 'render node', tried: 0, readable: 0 }), 'ok', /used, from the render node$/, /^$/],
    [
      'memory',
      memory({ regions: [{ region: 'vram0', usedBytes: undefined, sizeBytes: 12 * GIB }], from: 'render node' }),
      'warn',
      /^vram0 12\.0 GiB, from the render node; .*; this kernel reports sizes only$/,
      /debugfs.*CAP_PERFMON/,
    ],
    [
      'memory',
      memory({ regions: [], regionsRefusal: { operation: 'open', errno: ENOENT }, tried: 0, readable: 0 }),
      'warn',
      /^memory regions cannot be read: open ended with ENOENT; no xe_device_memory_used_bytes, no memory in log events$/,
      /--path-debugfs, or .* render nodes/,
    ],
    [
      'memory',
      memory({
        regions: [],
        regionsRefusal: { operation: 'open', errno: EACCES },
        clientRefusal: { operation: 'open', errno: EACCES },
        tried: 2,
        readable: 0,
      }),
      'warn',
      /regions cannot be read: .*clients cannot be read: .*log events will not say what a victim held$/,
      /debugfs.*CAP_SYS_PTRACE/,
    ],
    [
      'memory',
      memory({ regions: [], regionsRefusal: { operation: 'asleep', errno: EAGAIN }, tried: 0, readable: 0 }),
      'ok',
      /^not read: the device is asleep, and is not woken$/,
      /^$/,
    ],
    [
      'memory',
      { ...memory({ tried: 0, readable: 0 }), clients: { ...clients, scan: { ...clients.scan, denied: 3 } } },
      'warn',
      /from debugfs; clients in 3 processes cannot be inspected/,
      /^Run with hostPID and CAP_SYS_PTRACE\.$/,
    ],
    ['memory', memory({ hung: true, regions: [] }), 'warn', /a device does not answer/, /kernel log/],
    ['memory', { memory: undefined }, 'off', /--memory-interval/, /^$/],
    ['memory', { addonError: noAddon, memory: [] }, 'off', /addon/, /^$/],
    ['memory', { devices: [], watches: [], memory: [] }, 'off', /no xe device/, /^$/],
    ['web_config', { webConfig: undefined }, 'off', /plain HTTP/, /--web-config-file/],
    ['web_config', { webConfig: protection('other-key.bad.yml') }, 'fail', /is not the key/, /docs\/http\.md/],
    ['web_config', { webConfig: protection('missing-files.bad.yml') }, 'fail', /no\.pem": ENOENT/, /may read them/],
    ['web_config', { webConfig: protection('users.good.yml') }, 'warn', /clear text/, /tls_server_config/],
    ['web_config', { webConfig: protection('headers.good.yml') }, 'ok', /^no TLS; no basic/, /^$/],
    [
      'web_config',
      {},
      'ok',
      /^TLS, certificate until 2120-01-01.*RequireAndVerifyClientCert; basic authentication with 2 users$/,
      /^$/,
    ],
    ['web_config', { webConfig: protection('tls.good.yml', 'expired.pem') }, 'fail', /has expired/, /Renew/],
  ];
  for (const [check, change, status, seen, fix] of cases) {
    it(`${check} is ${status} when it sees ${seen.source}`, () => {
      const found = finding(check, change);
      assert.equal(found.status, status, found.seen);
      assert.match(found.seen, seen);
      assert.match(found.fix, fix);
    });
  }

  it('all have a case', () => {
    const tested = new Set(cases.map(([check]) => check));
    assert.deepEqual(
      CHECKS.map(({ id }) => id).filter((id) => !tested.has(id)),
      ['node'],
    );
  });

  it('tell of a certificate that expires soon, or begins later', () => {
    const at = (time: string) => webConfig({ webConfig: protection('tls.good.yml') }, Date.parse(time));
    assert.match(at('2119-12-25T00:00:00Z').seen, /; that is in 7 days$/);
    assert.equal(at('2119-12-25T00:00:00Z').status, 'warn');
    assert.match(at('2019-12-31T00:00:00Z').seen, /not valid yet/);
  });

  it('never say that something failed without saying what to do', () => {
    for (const [check, change] of cases) {
      const { status, fix } = finding(check, change);
      if (status === 'fail' || status === 'warn') assert.ok(fix.length > 0, check);
    }
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

describe('gathering the facts', () => {
  async function context(flags: readonly string[] = []): Promise<CommandContext> {
    const config = await loadConfig('doctor', parseArguments(['doctor', '--path-sysfs=/no/such/sys', ...flags]), {});
    // Only what gatherFacts takes.
    return {
      config,
      env: {},
      signal: new AbortController().signal,
      nodeVersion: '20.0.0',
    } as unknown as CommandContext;
  }

  it('reports an addon that does not load, also one that throws something else', async () => {
    const coded = await gatherFacts(await context(), {
      loadNative: () => {
        throw noAddon;
      },
    });
    assert.equal(coded.addonError, noAddon);
    const other = await gatherFacts(await context(), {
      loadNative: () => {
        throw new Error('ELF');
      },
    });
    assert.match(other.addonError?.message ?? '', /ELF/);
  });

  it('probes no ioctl when watching is switched off', async () => {
    const native = { ...loadNative(), probe: () => assert.fail('probed') } as unknown as NativeAddon;
    for (const option of ['--xe-watch-ioctl=off', '--mode=fallback']) {
      const facts = await gatherFacts(await context([option]), {
        loadNative: () => native,
        listXeDevices: () => [device],
      });
      assert.deepEqual([facts.watchingOff, facts.addonError, facts.watches], [option, undefined, []]);
    }
  });

  it('opens no source that is switched off', async () => {
    const MessageReader = function () {
      assert.fail('opened');
    };
    const native = { ...loadNative(), MessageReader } as unknown as NativeAddon;
    for (const [options, reason] of [
      [['--mode=watch_queue'], /--mode=watch_queue/],
      [['--trace=off', '--kmsg=off', '--uevent=off'], /--(trace|kmsg|uevent)=off$/],
    ] as const) {
      const { messages } = await gatherFacts(await context(options), { loadNative: () => native });
      assert.deepEqual(
        messages.map(({ source }) => source),
        ['trace', 'kmsg', 'uevent'],
      );
      for (const { report } of messages) {
        assert.equal(report.state, 'disabled');
        assert.match(report.reason, reason);
      }
    }
  });

  it('reads memory as the exporter would, and not when that is switched off', async (t) => {
    const tree = new FixtureTree(t);
    tree.file(
      `dri/${device.pciBdf}/tile0/vram_mm`,
      readFileSync('test/fixtures/memory-manager/vram_mm-7.2.txt', 'utf8'),
    );
    const machine = { listXeDevices: () => [device] };
    const [facts] = (await gatherFacts(await context([`--path-debugfs=${tree.root}`]), machine)).memory ?? [];
    assert.deepEqual(
      facts?.regions.map(({ region }) => region),
      ['vram0'],
    );
    assert.deepEqual([facts?.from, facts?.hung, facts?.tried], ['debugfs', false, 0]);
    const off = await gatherFacts(await context(['--memory-interval=off']), machine);
    assert.equal(off.memory, undefined);
  });

  it('counts what could be borrowed, what was gone and what was refused', async () => {
    const answers = [
      undefined,
      { operation: 'pidfd_open', errno: ESRCH },
      { operation: 'pidfd_getfd', errno: EPERM },
      { operation: 'identity', errno: ESRCH },
    ];
    const native = {
      ...loadNative(),
      probePipe: () => undefined,
      probe: () => Promise.resolve({ attachErrno: EINVAL, repeatErrno: 0, removalSeen: false }),
      scanDrmFds: () => Promise.resolve({ fds: answers.map((_, pid) => ({ ...fd, pid })), processes: 9, denied: 0 }),
      canBorrow: ({ pid }: { pid: number }) => Promise.resolve(answers[pid]),
    } as unknown as NativeAddon;
    const facts = await gatherFacts(await context(), { loadNative: () => native, listXeDevices: () => [device] });
    assert.deepEqual(
      { ...facts.clients, scan: undefined },
      { scan: undefined, tried: 4, borrowed: 1, gone: 2, refusal: answers[2] },
    );
    assert.equal(facts.watches[0]?.support.request, undefined);
    assert.deepEqual(
      facts.messages.map(({ source }) => source),
      ['trace', 'kmsg', 'uevent'],
    );
    assert.equal(makeReport(facts, '0.0.0').status, 'degraded');
  });
});
