import { X509Certificate } from 'node:crypto';
import { constants } from 'node:os';
import type { ClientFacts, Facts } from '../../../exporter/commands/doctor/finding.js';
import { CodedError, codedError } from '../../../exporter/errors.js';
import { loadProtection } from '../../../exporter/web-config/protection.js';
import type { DrmFd } from '../../../exporter/native/binding.js';
import { aDevice } from '../../helpers/events.js';
import { pem } from '../../helpers/web-config.js';

export const { EACCES, EAGAIN, EINVAL, ENOENT, EPERM, ESRCH } = constants.errno;
export const GIB = 1024 ** 3;

export const device = aDevice();
export const fd: DrmFd = { pid: 42, fd: 5, minor: 128, startTime: 1n, comm: 'app' };
export const clients: ClientFacts = {
  scan: { fds: [fd], gpuFree: new Float64Array(), processes: 90, skipped: 0, denied: 0 },
  tried: 1,
  borrowed: 1,
  gone: 0,
  refusal: undefined,
};

/** What a fixture of the web configuration asks for; `certificate` takes the place of the server's. */
export function protection(fixture: string, certificate?: string): Facts['webConfig'] {
  const { outcome } = loadProtection(`test/fixtures/web-config/${fixture}`);
  if (certificate === undefined || outcome instanceof CodedError || outcome.tls === undefined) return outcome;
  return { ...outcome, tls: { ...outcome.tls, certificate: new X509Certificate(pem(certificate)) } };
}

/** A node on which everything works. */
export const GOOD: Facts = {
  nodeVersion: '20.20.2',
  watchingOff: undefined,
  maxClients: 4096,
  sysRoot: '/sys',
  scanIntervalMs: 5000,
  announced: { path: '/sys/kernel/debug/dri', clients: 3 },
  podNames: { state: 'active', reason: '', fix: '' },
  kubernetesEvents: { state: 'active', reason: '', fix: '' },
  nodeCondition: { state: 'active', reason: '', fix: '' },
  coredumps: { state: 'active', reason: '', fix: '' },
  ras: { state: 'active', reason: '', fix: '' },
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
  jobs: {
    path: '/run/xe-exporter/jobs.sock',
    stateFile: '/var/lib/xe-exporter/jobs.json',
    socket: { mode: 0o140666, uid: 0, isSocket: true, isFolder: false },
    refusal: undefined,
    folders: ['/run/xe-exporter', '/run', '/'].map((path) => ({
      path,
      is: { mode: 0o040755, uid: 0, isSocket: false, isFolder: true },
    })),
    filesystem: 'tmpfs',
    identification: undefined,
  },
  otlp: { wanted: true, reason: 'OTEL_EXPORTER_OTLP_ENDPOINT is set', warning: undefined },
  otlpMetrics: { wanted: true, reason: 'OTEL_EXPORTER_OTLP_ENDPOINT is set', warning: undefined },
  webConfig: protection('everything.good.yml'),
};

export const privileges = (change: Partial<Facts['privileges']>): Partial<Facts> => ({
  privileges: { ...GOOD.privileges, ...change },
});

export const noAddon = codedError('XEE_ADDON_NOT_LOADABLE', { tried: 'no such file', fix: 'Run "npm rebuild".' });
