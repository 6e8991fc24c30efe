import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig, type Environment } from '../../../exporter/config/load.js';
import {
  COMMANDS,
  environmentName,
  OPTION_LIST,
  type CommandName,
  type Config,
  type OptionKey,
} from '../../../exporter/config/schema.js';
import { CodedError, type ErrorCode } from '../../../exporter/errors.js';

interface Given {
  readonly env?: Environment;
  readonly file?: string;
}

function load(line: string | readonly string[], { env = {}, file }: Given = {}): Promise<Config> {
  const argv = typeof line === 'string' ? line.split(' ') : line;
  const args = parseArguments(file === undefined ? argv : [...argv, '--config=options.yaml']);
  return loadConfig(args.command as CommandName, args, env, () => file ?? '');
}

async function refusal(line: string | readonly string[], given: Given = {}): Promise<CodedError> {
  const error: unknown = await load(line, given).then(
    () => assert.fail(`accepted: ${line}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CodedError, String(error));
  assert.equal(error.exitCode, 2);
  return error;
}

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

describe('precedence', () => {
  const env = { XE_EXPORTER_SCAN_INTERVAL: '2s' };
  const file = 'scanInterval: 3s';

  it('is flags, variables, file, default', async () => {
    assert.equal((await load('serve --scan-interval 1s', { env, file })).scanInterval, 1000);
    assert.equal((await load('serve', { env, file })).scanInterval, 2000);
    assert.equal((await load('serve', { file })).scanInterval, 3000);
    assert.equal((await load('serve')).scanInterval, 5000);
  });

  it('replaces lists as a whole', async () => {
    const given = { env: { XE_EXPORTER_PID: '1, 2' }, file: 'pids: [3, 4]' };
    assert.deepEqual((await load('watch --pid 5 --pid=6', given)).pids, [5, 6]);
    assert.deepEqual((await load('watch', given)).pids, [1, 2]);
    assert.deepEqual((await load('watch', { file: given.file })).pids, [3, 4]);
  });

  it('takes the last of repeated flags', async () => {
    assert.equal((await load('serve --scan-interval 1s --scan-interval 2s')).scanInterval, 2000);
    assert.equal((await load('serve --events-stdout --no-events-stdout')).eventsStdout, false);
  });

  it('counts an empty variable as not set', async () => {
    assert.equal((await load('serve', { env: { XE_EXPORTER_SCAN_INTERVAL: ' ' }, file })).scanInterval, 3000);
  });

  it('leaves variables of other commands and unknown ones alone', async () => {
    const noise = {
      XE_EXPORTER_DEMO_RATE: 'x',
      XE_EXPORTER_PORT: 'tcp://10.0.0.1:9464',
      XE_EXPORTER_SERVICE_HOST: '10.0.0.1',
    };
    assert.equal((await load('serve', { env: noise })).demoRate, 1);
  });

  it('finds the file by its variable', async () => {
    const args = parseArguments(['serve']);
    const config = await loadConfig(
      'serve',
      args,
      { XE_EXPORTER_CONFIG: '/etc/x.yaml' },
      (path) => `scanInterval: 9s # ${path}`,
    );
    assert.deepEqual([config.configFile, config.scanInterval], ['/etc/x.yaml', 9000]);
  });
});

describe('the command line', () => {
  it('takes flags before and after the command, with = and without', async () => {
    const config = await load('--log-level debug serve --scan-interval=1s --no-include-process --events-stdout');
    assert.deepEqual(
      [config.logLevel, config.scanInterval, config.includeProcess, config.eventsStdout],
      ['debug', 1000, false, true],
    );
    assert.deepEqual((await load('watch --errno -12')).errnos, [12]);
  });

  const refused: readonly [string, ErrorCode, RegExp][] = [
    [
      'serve --scan-intervall=1s',
      'XEE_UNKNOWN_FLAG',
      /^"--scan-intervall" is not a flag; did you mean --scan-interval\?$/,
    ],
    ['serve --no-includeprocess', 'XEE_UNKNOWN_FLAG', /did you mean --no-include-process\?/],
    ['serve --completely-different', 'XEE_UNKNOWN_FLAG', /^"--completely-different" is not a flag$/],
    ['serve -x', 'XEE_UNKNOWN_FLAG', /^"-x" is not a flag$/],
    ['serve --json', 'XEE_UNKNOWN_FLAG', /^--json is not a flag of serve, only of watch and doctor and health$/],
    ['serve --no-scan-interval', 'XEE_UNKNOWN_FLAG', /^"--no-scan-interval" is not a flag/],
    ['serve --scan-interval', 'XEE_CONFIG_INVALID', /^--scan-interval needs a value \(duration\)$/],
    ['serve --scan-interval --events-stdout', 'XEE_CONFIG_INVALID', /^--scan-interval needs a value/],
    ['serve --events-stdout false', 'XEE_CONFIG_INVALID', /^"false" is one word too many; a switch is written/],
    ['serve -- --json', 'XEE_CONFIG_INVALID', /^"--json" is one word too many$/],
  ];
  for (const [line, code, message] of refused) {
    it(`refuses "${line}"`, async () => {
      const error = await refusal(line);
      assert.equal(error.code, code);
      assert.match(error.message, message);
    });
  }
});

describe('the configuration file', () => {
  const refused: readonly [string, RegExp][] = [
    ['scanIntervall: 5s', /"scanIntervall" is not an option key; did you mean scanInterval\?$/],
    ['configFile: x', /"configFile" is not an option key/],
    ['constructor: x', /"constructor" is not an option key/],
    ['scanInterval: [5s]', /scanInterval must be one value \(duration\)$/],
    ['scanInterval: {a: 5s}', /scanInterval must be one value/],
    ['devices: [{a: b}]', /devices must be one value or a list of values/],
    ['- a', /it is not a mapping/],
    ['just text', /it is not a mapping/],
    ['a: [', /line 1, column \d+: /],
    ['logLevel: info\nlogLevel: warn', /line 2, column 1: duplicate key$/],
    ['--- \na: b\n---\nc: d', /multiple docs/],
    ['!!js/function "x"', /tag resolve failed/],
    ['logLevel: *nowhere', /line 1, column 11: bad alias|too complicated/],
    [`a: &x [1]\nb: &y [${'*x,'.repeat(50)}]\nc: [${'*y,'.repeat(50)}]`, /too complicated/],
    ['['.repeat(10_000), /too complicated/],
    [`${'- '.repeat(20_000)}`, /too complicated/],
    ['# '.repeat(40_000), /longer than 65536 characters/],
  ];
  for (const [file, message] of refused) {
    it(`refuses ${JSON.stringify(file.slice(0, 40))}`, async () => {
      const error = await refusal('serve', { file });
      assert.equal(error.code, 'XEE_CONFIG_FILE_INVALID');
      assert.match(error.message, message);
    });
  }

  it('may be empty or hold comments only', async () => {
    for (const file of ['', '\n', '# nothing', '---\n'])
      assert.equal((await load('serve', { file })).scanInterval, 5000);
  });

  it('may hold options of other commands, which are checked too', async () => {
    assert.equal((await load('serve', { file: 'demoRate: 2' })).demoRate, 2);
    assert.match(
      (await refusal('serve', { file: 'demoRate: x' })).message,
      /^demoRate in the configuration file "x" must be/,
    );
  });

  it('is checked also where a flag hides its value', async () => {
    assert.match(
      (await refusal('serve --scan-interval=1s', { file: 'scanInterval: 5' })).message,
      /^scanInterval in the configuration file "5"/,
    );
  });

  it('that cannot be read is named with the reason', async () => {
    const args = parseArguments(['serve', '--config=/no/such/file']);
    await assert.rejects(loadConfig('serve', args, {}), (error: CodedError) => {
      assert.equal(error.code, 'XEE_CONFIG_FILE_UNREADABLE');
      assert.match(error.message, /"\/no\/such\/file": ENOENT$/);
      return true;
    });
  });
});

describe('errors', () => {
  it('are told all at once', async () => {
    const error = await refusal('serve --scan-interval 5 --bogus --otlp-queue-size=0', {
      env: { XE_EXPORTER_LISTEN_ADDRESS: 'x' },
      file: 'logLevel: loud\nnope: 1',
    });
    assert.equal(error.code, 'XEE_CONFIG_INVALID');
    assert.match(error.message, /^6 problems:\n/);
    for (const part of [
      '--bogus',
      '--scan-interval',
      '--otlp-queue-size',
      'XE_EXPORTER_LISTEN_ADDRESS',
      'logLevel',
      '"nope"',
    ]) {
      assert.ok(error.message.includes(part), `${part} in ${error.message}`);
    }
  });

  it('never show secrets', async () => {
    const secret = 'hunter2';
    const errors = await Promise.all([
      refusal(`serve --otlp-endpoint=https://u:${secret}@host`),
      refusal(`serve --otlp-endpoint=${secret}`),
      refusal(`serve --otlp-endpiont=${secret}`),
      refusal(`serve --otlp-endpiont ${secret}`),
      refusal(`serve -p${secret}`),
      refusal(`serve https://u:${secret}@host`),
      refusal(`serve --listen-address=https://u:${secret}@host`),
      refusal('serve', { env: { XE_EXPORTER_OTLP_ENDPOINT: `https://u:${secret}@host` } }),
      refusal('serve', { file: `otlpEndpoint: https://u:${secret}@host` }),
      refusal('serve', { file: `otlpHeaders: ${secret}` }),
      refusal('serve', { file: `otlpEndpoint: "${secret}` }),
      refusal('serve', { file: `otlpEndpoint: @${secret}` }),
    ]);
    for (const error of errors) assert.ok(!`${error.message} ${error.fix}`.includes(secret), error.message);
  });

  it('escape what a terminal would obey', async () => {
    const error = await refusal(['serve', '--log-level=\u001b[2J\n'.repeat(40)]);
    assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
    assert.ok(error.message.length < 200);
  });
});

describe('the result', () => {
  it('is frozen through and through', async () => {
    const config = await load('watch --pid 1');
    assert.ok([config, config.pids, config.listenAddress].every(Object.isFrozen));
  });
});

describe('property', () => {
  const flags = OPTION_LIST.map(([, { flag }]) => `--${flag}`);
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('5s', 'true', '0', ':1', '-', '--', '=', '__proto__'),
  );
  const word = fc.oneof(
    fc.constantFrom(...flags, ...Object.keys(COMMANDS), '-h'),
    text,
    fc.tuple(fc.constantFrom(...flags), text).map((pair) => pair.join('=')),
  );
  const env = fc.dictionary(fc.constantFrom(...OPTION_LIST.map(([, { flag }]) => environmentName(flag))), text);
  const key = fc.constantFrom(...OPTION_LIST.map(([name]) => name), '__proto__');
  const file = fc.oneof(
    text,
    fc
      .array(
        fc.tuple(key, text).map((pair) => pair.join(': ')),
        { maxLength: 5 },
      )
      .map((lines) => lines.join('\n')),
  );

  it('any command line, environment and file give a configuration or a CodedError', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...(Object.keys(COMMANDS) as CommandName[])),
        fc.array(word, { maxLength: 6 }),
        env,
        file,
        async (command, argv, variables, yaml) => {
          try {
            assert.ok(
              Object.isFrozen(await loadConfig(command, parseArguments([command, ...argv]), variables, () => yaml)),
            );
          } catch (error) {
            assert.ok(error instanceof CodedError, String(error));
            assert.equal(error.exitCode, 2);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function quoteYaml(text: string): string {
  return JSON.stringify(text);
}
