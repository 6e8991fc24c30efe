import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { environmentName, OPTION_LIST, type OptionKey } from '../../../exporter/config/schema.js';
import { load, refusal } from './loading.js';

/** For every option: what texts mean, and which are refused. A new option does not compile without its row. */
const EXAMPLES: Readonly<Record<OptionKey, { good: readonly [string, unknown][]; bad: readonly string[] }>> = {
  configFile: { good: [['options.yaml', 'options.yaml']], bad: ['', 'a\0b'] },
  listenAddress: {
    good: [
      [':9464', { host: '', port: 9464 }],
      [':0', { host: '', port: 0 }],
      ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
      ['localhost:65535', { host: 'localhost', port: 65_535 }],
      ['[::1]:9464', { host: '::1', port: 9464 }],
    ],
    bad: [
      '',
      '9464',
      '::1:9464',
      '[::1]',
      '[x]:1',
      ':65536',
      ':-1',
      ':http',
      '1.2.3:80',
      '256.1.1.1:80',
      'a b:80',
      'http://x:80',
      'h:',
    ],
  },
  mode: {
    good: [
      ['auto', 'auto'],
      ['watch_queue', 'watch_queue'],
      ['fallback', 'fallback'],
    ],
    bad: ['', 'watch-queue', 'kmsg'],
  },
  jobsStateFile: { good: [['/run/xe-exporter/jobs.json', '/run/xe-exporter/jobs.json']], bad: ['', 'jobs.json'] },
  jobsSocket: { good: [['/run/xe-exporter/jobs.sock', '/run/xe-exporter/jobs.sock']], bad: ['', 'jobs.sock'] },
  webConfigFile: { good: [['web.yml', 'web.yml']], bad: ['', 'a\0b'] },
  healthAddress: { good: [[':9465', { host: '', port: 9465 }]], bad: ['', '9465'] },
  kmsg: {
    good: ['auto', 'off'].map((text) => [text, text]),
    bad: ['', 'on', 'true'],
  },
  kmsgSinceBoot: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'maybe'],
  },
  trace: {
    good: ['auto', 'off'].map((text) => [text, text]),
    bad: ['', 'on', 'true'],
  },
  uevent: {
    good: ['auto', 'off'].map((text) => [text, text]),
    bad: ['', 'on', 'true'],
  },
  xeWatchIoctl: {
    good: ['auto', 'off', '0x0f', '0x10', '0x11'].map((text) => [text, text]),
    bad: ['', '15', '0x12', 'on'],
  },
  demoKernel: {
    good: ['watch_queue', 'stock'].map((text) => [text, text]),
    bad: ['', 'patched', 'auto'],
  },
  events: {
    good: [
      ['xe.vm.rebind_error', ['xe.vm.rebind_error']],
      ['none', ['none']],
    ],
    bad: ['', 'all', 'xe.exporter.events_lost'],
  },
  discovery: {
    good: ['auto', 'debugfs', 'proc'].map((text) => [text, text]),
    bad: ['', 'on', 'both'],
  },
  scanInterval: {
    good: [
      ['250ms', 250],
      ['5s', 5000],
      ['1.5s', 1500],
      ['2 m', 120_000],
      ['60m', 3_600_000],
    ],
    bad: ['', '5', '0s', '249ms', '61m', '1h', '-5s', '5S', '1e3ms', 's', '5constructor'],
  },
  maxClients: {
    good: [
      ['1', 1],
      ['65536', 65_536],
    ],
    bad: ['', '0', '65537', '1.5', '-1', '1e3', '0x10', '1 2'],
  },
  kubernetes: {
    good: ['auto', 'api', 'node', 'off'].map((text) => [text, text]),
    bad: ['', 'true', 'API'],
  },
  nodeName: {
    good: [
      ['gpu-01', 'gpu-01'],
      ['ip-10-0-0-1.eu-west-1.compute.internal', 'ip-10-0-0-1.eu-west-1.compute.internal'],
    ],
    bad: ['', 'GPU', 'a b', '-a', 'a.', 'a,spec.nodeName=b', 'a'.repeat(254)],
  },
  coredumpDir: { good: [['/var/lib/dumps', '/var/lib/dumps']], bad: ['', 'dumps', '/a\0b'] },
  coredumpMaxBytes: {
    good: [
      ['4MiB', 4 * 1024 ** 2],
      ['1GiB', 1024 ** 3],
    ],
    bad: ['', '1MiB', '1GB', '2000GiB', '1073741824'],
  },
  readerQueueBytes: {
    good: [
      ['128KiB', 131_072],
      ['4MiB', 4_194_304],
      ['1GiB', 1_073_741_824],
    ],
    bad: ['', '4194304', '127KiB', '2GiB', '4MB', '4Mi', '-4MiB'],
  },
  grafanaUrl: {
    good: [
      ['https://grafana.example.com/', 'https://grafana.example.com'],
      ['http://10.0.0.1:3000/grafana', 'http://10.0.0.1:3000/grafana'],
    ],
    bad: ['', 'grafana.example.com', 'javascript:alert(1)', 'https://me:secret@grafana', 'https://grafana?orgId=1'],
  },
  otlpEndpoint: {
    good: [
      ['http://localhost:4318', 'http://localhost:4318'],
      ['https://collector.example/otlp/', 'https://collector.example/otlp'],
    ],
    bad: ['', 'localhost:4318', 'ftp://x', 'http://', 'http://user:pass@x', 'http://x?token=1', 'http://x/#a'],
  },
  otlpMetrics: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'yes'],
  },
  otlpQueueSize: {
    good: [
      ['1', 1],
      ['2048', 2048],
    ],
    bad: ['0', '65537', 'many'],
  },
  eventsHttp: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'on'],
  },
  eventsRingSize: {
    good: [
      ['1', 1],
      ['65536', 65_536],
    ],
    bad: ['', '0', '65537', '1k'],
  },
  eventsMaxSubscribers: {
    good: [
      ['1', 1],
      ['1024', 1024],
    ],
    bad: ['', '0', '1025'],
  },
  kubernetesEvents: {
    good: [
      ['true', true],
      ['FALSE', false],
    ],
    bad: ['', 'yes', '1'],
  },
  kubernetesNodeCondition: {
    good: [
      ['true', true],
      ['FALSE', false],
    ],
    bad: ['', 'yes', '1'],
  },
  eventsStdout: {
    good: [
      ['true', true],
      ['FALSE', false],
    ],
    bad: ['', 'yes', '1'],
  },
  includeProcess: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['no'],
  },
  workloadLabels: {
    good: [
      ['kubernetes', 'kubernetes'],
      ['slurm', 'slurm'],
    ],
    bad: ['', 'pod'],
  },
  eventRateLimitPerMinute: {
    good: [
      ['0', 0],
      ['60', 60],
      ['1000000', 1_000_000],
    ],
    bad: ['', '-1', '1.5', '1000001', '60/min'],
  },
  outcomeWindow: {
    good: [
      ['1s', 1000],
      ['60s', 60_000],
      ['60m', 3_600_000],
    ],
    bad: ['', '60', '999ms', '61m'],
  },
  clientSeriesRetention: {
    good: [
      ['1s', 1000],
      ['15m', 900_000],
      ['1440m', 86_400_000],
    ],
    bad: ['', '15', '0s', '1441m', '1d'],
  },
  rasInterval: {
    good: [
      ['15s', 15_000],
      ['60m', 3_600_000],
      ['off', 0],
    ],
    bad: ['14s', '61m', '60', 'on', ''],
  },
  memoryInterval: {
    good: [
      ['15s', 15_000],
      ['60m', 3_600_000],
      ['off', 0],
    ],
    bad: ['0', '0s', '14s', '61m', '30', 'OFF', '', 'never'],
  },
  exemplars: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'yes'],
  },
  traceEvictions: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['yes', '1', ''],
  },
  clientMemory: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['yes', '1', ''],
  },
  topConsumers: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['yes', '1', ''],
  },
  demoRate: {
    good: [
      ['0.01', 0.01],
      ['1000000', 1_000_000],
      ['2.5', 2.5],
    ],
    bad: ['0', '0.001', '1000001', '1e3', 'NaN', '-1', '.5'],
  },
  demoWedgeEvery: {
    good: [
      ['off', 0],
      ['10s', 10_000],
      ['60m', 3_600_000],
    ],
    bad: ['0', '9s', '61m', '30', 'never', ''],
  },
  devices: {
    good: [
      ['0000:03:00.0', ['0000:03:00.0']],
      ['03:00.0', ['0000:03:00.0']],
      ['10000:E1:1F.7', ['10000:e1:1f.7']],
    ],
    bad: ['', 'card0', '0000:03:00.8', '0000:03:20.0', '0:03:00.0'],
  },
  pids: {
    good: [
      ['1', [1]],
      ['4194304', [4_194_304]],
    ],
    bad: ['', '0', '-1', '4194305', 'init'],
  },
  errnos: {
    good: [
      ['ENOMEM', [12]],
      ['etime', [62]],
      ['28', [28]],
      ['-12', [12]],
    ],
    bad: ['', '0', 'ENOSUCH', '4096', '-0'],
  },
  count: {
    good: [
      ['1', 1],
      ['1000000000', 1_000_000_000],
    ],
    bad: ['0', '1000000001', 'all'],
  },
  output: { good: [['out.tar.gz', 'out.tar.gz']], bad: ['', 'a\0b'] },
  redact: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'yes'],
  },
  explainPrivileges: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['json'],
  },
  json: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['json'],
  },
  onOom: {
    good: [
      ['none', { kind: 'none' }],
      ['restart', { kind: 'restart' }],
      ['exit:75', { kind: 'exit', code: 75 }],
      ['signal:USR1', { kind: 'signal', signal: 'SIGUSR1' }],
      ['signal:SIGUSR2', { kind: 'signal', signal: 'SIGUSR2' }],
    ],
    bad: [
      '',
      'exit',
      'exit:0',
      'exit:256',
      'exit:-1',
      'signal:',
      'signal:KILL',
      'signal:STOP',
      'signal:10',
      'signal:toString',
    ],
  },
  maxRestarts: {
    good: [
      ['0', 0],
      ['1000', 1000],
    ],
    bad: ['', '-1', '1001'],
  },
  restartBackoff: {
    good: [
      ['0s', 0],
      ['1m', 60_000],
    ],
    bad: ['1', '61s'],
  },
  killAfter: {
    good: [
      ['0s', 0],
      ['10s', 10_000],
    ],
    bad: ['10', '61m'],
  },
  shutdownTimeout: {
    good: [
      ['100ms', 100],
      ['5m', 300_000],
    ],
    bad: ['5', '99ms', '6m'],
  },
  procRoot: { good: [['/host/proc', '/host/proc']], bad: ['', 'proc', '/a\0'] },
  tracefsRoot: { good: [['/host/tracing', '/host/tracing']], bad: ['', 'tracing', '/a\0'] },
  debugfsRoot: { good: [['/host/debug', '/host/debug']], bad: ['', 'debug', '/a\0'] },
  sysRoot: { good: [['/host/sys', '/host/sys']], bad: ['sys'] },
  devRoot: { good: [['/host/dev', '/host/dev']], bad: ['dev'] },
  logLevel: {
    good: ['fatal', 'error', 'warn', 'info', 'debug'].map((text) => [text, text]),
    bad: ['', 'trace', 'INFO'],
  },
  logFormat: { good: ['auto', 'text', 'json'].map((text) => [text, text]), bad: ['logfmt'] },
};

function quoteYaml(text: string): string {
  return JSON.stringify(text);
}

describe('every option', () => {
  for (const [key, option] of OPTION_LIST) {
    const command = option.commands[0] ?? 'serve';
    const { good, bad } = EXAMPLES[key];

    it(`${key} takes ${good.map(([text]) => text).join(', ')}`, async () => {
      for (const [text, value] of good) {
        assert.deepEqual((await load([command, `--${option.flag}=${text}`]))[key], value, `${text} as a flag`);
        assert.deepEqual(
          (await load([command], { env: { [environmentName(option.flag)]: text } }))[key],
          value,
          `${text} as a variable`,
        );
        if (option.notInFile) continue;
        assert.deepEqual(
          (await load([command], { file: `${key}: ${quoteYaml(text)}` }))[key],
          value,
          `${text} in a file`,
        );
      }
    });

    it(`${key} refuses wrong values and tells which option it was, wherever it came from`, async () => {
      for (const text of bad) {
        const flag = await refusal([command, `--${option.flag}=${text}`]);
        assert.ok(flag.message.startsWith(`--${option.flag} `), flag.message);
        if (text.trim() !== '') {
          const variable = await refusal([command], { env: { [environmentName(option.flag)]: text } });
          assert.ok(variable.message.startsWith(`${environmentName(option.flag)} `), variable.message);
        }
        if (option.notInFile || text.includes('\0')) continue;
        const file = await refusal([command], { file: `${key}: ${quoteYaml(text)}` });
        assert.ok(file.message.startsWith(`${key} in the configuration file `), file.message);
      }
    });

    it(`${key} has a default that is valid, and a name Kubernetes does not use`, async () => {
      if (option.default !== undefined) assert.ok('value' in option.parse(option.default));
      const value: unknown = (await load([command]))[key];
      if (option.kind === 'list') assert.deepEqual(value, []);
      else assert.equal(value === undefined, option.default === undefined);
      // Set by the kubelet in every pod of a namespace with a Service named xe-exporter.
      assert.doesNotMatch(environmentName(option.flag), /^XE_EXPORTER_(PORT|SERVICE)(_|$)/);
    });
  }

  it('has a flag of its own', () => {
    assert.equal(new Set(OPTION_LIST.map(([, { flag }]) => flag)).size, OPTION_LIST.length);
  });
});
