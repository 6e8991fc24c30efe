import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig } from '../../../exporter/config/load.js';
import { COMMANDS, environmentName, OPTION_LIST, type CommandName } from '../../../exporter/config/schema.js';
import { CodedError, type ErrorCode } from '../../../exporter/errors.js';
import { load, refusal } from './loading.js';

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
