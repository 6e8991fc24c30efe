import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECKS } from '../../../exporter/commands/doctor/checks.js';
import type { Facts, Finding } from '../../../exporter/commands/doctor/finding.js';
import type { MemoryFacts } from '../../../exporter/commands/doctor/memory-facts.js';
import { makeReport } from '../../../exporter/commands/doctor/report.js';
import { webConfig } from '../../../exporter/commands/doctor/web-config-check.js';
import type { SourceName } from '../../../exporter/names.js';
import { NO_COUNTERS, rasRefused } from '../../../exporter/ras/ras-feature.js';
import {
  EACCES,
  EAGAIN,
  EINVAL,
  ENOENT,
  EPERM,
  GIB,
  device,
  clients,
  protection,
  GOOD,
  privileges,
  noAddon,
} from './doctor-facts.js';

const ENOPKG = 65;
const ENOTTY = 25;

const memory = (change: Partial<MemoryFacts>): Partial<Facts> => ({
  memory: GOOD.memory?.map((facts) => ({ ...facts, ...change })),
});
/** A kernel without the watch ioctl, where these sources can be read. */
const heard = (...sources: SourceName[]): Partial<Facts> => ({
  watches: [],
  messages: sources.map((source) => ({ source, report: { state: 'active', reason: 'heard', fix: '' } })),
});

function finding(check: string, change: Partial<Facts>): Finding {
  const found = makeReport({ ...GOOD, ...change }, '0.0.0').checks.find((line) => line.check === check);
  assert.ok(found !== undefined, check);
  return found;
}

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
    ['jobs_socket', { jobs: undefined }, 'off', /^off$/, /--jobs-socket/],
    ['ras', {}, 'ok', /^can be read$/, /^$/],
    ['ras', { ras: undefined }, 'off', /^not read$/, /--ras-interval/],
    ['ras', { devices: [], watches: [] }, 'off', /no xe device/, /^$/],
    ['ras', { ras: NO_COUNTERS }, 'warn', /no hardware error counters/, /Ponte Vecchio/],
    ['ras', { ras: rasRefused({ operation: 'answer', errno: EPERM }) }, 'fail', /EPERM/, /CAP_NET_ADMIN/],
    ['ras', { ras: rasRefused({ operation: 'answer', errno: ENOENT }) }, 'warn', /drm-ras/, /CONFIG_DRM_RAS/],
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
    ['kubernetes_node_condition', {}, 'ok', /^XeGPUsHealthy may be written$/, /^$/],
    ['kubernetes_node_condition', { nodeCondition: undefined }, 'off', /^off$/, /--kubernetes-node-condition/],
    [
      'kubernetes_node_condition',
      { nodeCondition: { state: 'denied', reason: 'may not patch nodes/status', fix: 'grant it' } },
      'fail',
      /nodes\/status/,
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
