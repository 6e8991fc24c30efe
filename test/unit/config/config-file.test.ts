import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig } from '../../../exporter/config/load.js';
import type { CodedError } from '../../../exporter/errors.js';
import { load, refusal } from './loading.js';

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
