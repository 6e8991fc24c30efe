import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CodedError } from '../../../exporter/errors.js';
import { alternativeNames } from '../../../exporter/web-config/client-certificate.js';
import { LiveProtection } from '../../../exporter/web-config/live-protection.js';
import { loadProtection, type Protection } from '../../../exporter/web-config/protection.js';
import { parseBasic } from '../../../exporter/web-config/sign-in.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { aHash, WebConfigFolder } from '../../helpers/web-config.js';

const FIXTURES = 'test/fixtures/web-config';
const fixtures = (ending: string) => readdirSync(FIXTURES).filter((name) => name.endsWith(ending));

function load(path: string): Protection {
  const { outcome } = loadProtection(path);
  if (outcome instanceof CodedError) throw outcome;
  return outcome;
}

describe('a web configuration file', () => {
  for (const name of fixtures('.good.yml')) {
    it(`${name} is taken`, () => void load(join(FIXTURES, name)));
  }

  for (const name of fixtures('.bad.yml')) {
    it(`${name} is refused with everything that is wrong in it`, () => {
      const expected = readFileSync(join(FIXTURES, name), 'utf8');
      const { outcome } = loadProtection(join(FIXTURES, name));
      assert.ok(outcome instanceof CodedError);
      const isUnreadable = expected.startsWith('# unreadable');
      assert.equal(outcome.code, isUnreadable ? 'XEE_WEB_CONFIG_UNREADABLE' : 'XEE_WEB_CONFIG_INVALID');
      assert.equal(outcome.exitCode, 2);
      const parts = [...expected.matchAll(/^# expect: (.*)$/gm)].map(([, part]) => part ?? '');
      assert.ok(parts.length > 0);
      for (const part of parts) assert.ok(outcome.message.includes(part), `${part}\nnot in:\n${outcome.message}`);
      assert.doesNotMatch(outcome.message, /secretpassword|\$2[aby]\$|BEGIN/);
    });
  }

  it('means what it says', () => {
    const { tls, headers, users, rateLimit } = load(join(FIXTURES, 'everything.good.yml'));
    assert.deepEqual(
      [tls?.clientAuth, tls?.allowedSans],
      ['RequireAndVerifyClientCert', ['prometheus.example', '10.1.2.3']],
    );
    const { minVersion, maxVersion, ciphers, ecdhCurve, honorCipherOrder } = tls?.options ?? {};
    assert.deepEqual(
      { minVersion, maxVersion, ciphers, ecdhCurve, honorCipherOrder },
      {
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.3',
        ciphers:
          'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
        ecdhCurve: 'X25519:P-256:P-384:P-521',
        honorCipherOrder: false,
      },
    );
    assert.equal(headers['Strict-Transport-Security'], 'max-age=31536000; includeSubDomains');
    assert.deepEqual([...users.keys()], ['alice', 'bob']);
    assert.deepEqual(rateLimit, { intervalMs: 1000, burst: 20 });
    assert.equal(load(join(FIXTURES, 'rate-limit-off.good.yml')).rateLimit, undefined);
    assert.deepEqual(load(join(FIXTURES, 'headers.good.yml')).headers, { 'X-Frame-Options': 'sameorigin' });
  });

  it('that is not there, a folder, endless or a pipe without a writer is refused at once', (t) => {
    const tree = new FixtureTree(t);
    execFileSync('mkfifo', [join(tree.root, 'pipe')]);
    writeFileSync(join(tree.root, 'large'), 'x'.repeat(1024 * 1024 + 1));
    for (const [path, why] of [
      ['no.yml', /ENOENT/],
      ['.', /not a regular file/],
      ['pipe', /not a regular file/],
      ['large', /larger than 1 MiB/],
    ] as const) {
      assert.throws(() => load(join(tree.root, path)), { code: 'XEE_WEB_CONFIG_UNREADABLE', message: why });
    }
    assert.throws(() => load('/dev/zero'), { code: 'XEE_WEB_CONFIG_UNREADABLE', message: /not a regular file/ });
  });

  it('that is no YAML is refused with the place and without the text', (t) => {
    const tree = new FixtureTree(t);
    tree.file('web.yml', 'basic_auth_users:\n  alice: "secretpassword\n');
    assert.throws(
      () => load(join(tree.root, 'web.yml')),
      ({ message }: Error) => {
        assert.match(message, /web\.yml": line 3, column 1: missing char$/);
        return true;
      },
    );
  });

  it('that is hostile is refused in little time', (t) => {
    const tree = new FixtureTree(t);
    const begin = performance.now();
    for (const evil of [
      '['.repeat(50_000),
      '{a: '.repeat(10_000),
      'a: &a [*a]\n',
      '\0',
      '? '.repeat(20_000),
      '"__proto__":\n  a: b\n',
    ]) {
      tree.file('web.yml', evil);
      assert.throws(() => load(join(tree.root, 'web.yml')), { code: 'XEE_WEB_CONFIG_INVALID' });
    }
    assert.ok(performance.now() - begin < 20_000);
  });
});

describe('the names of a client certificate', () => {
  const table: readonly [string, readonly string[]][] = [
    ['', []],
    ['DNS:a.example', ['a.example']],
    [
      'DNS:a, IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:1, email:x@y, URI:spiffe://a/b',
      ['a', '10.1.2.3', '2001:db8::1', 'x@y', 'spiffe://a/b'],
    ],
    ['DNS:"evil, DNS:good", DNS:other', ['evil, DNS:good', 'other']],
    ['URI:"http://x/\\", DNS:good"', ['http://x/", DNS:good']],
    ['othername:<unsupported>, DirName:"CN=good", DNS:a', ['a']],
    // Whatever cannot be read to its end has no names.
    ['DNS:good, DNS:"unfinished', []],
    ['DNS:good,DNS:x', []],
    ['nonsense', []],
  ];
  for (const [text, names] of table) {
    it(`in ${JSON.stringify(text)} are ${JSON.stringify(names)}`, () => {
      assert.deepEqual(alternativeNames(text), names);
    });
  }
});

describe('an Authorization header', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  it('gives user and password, or nothing', () => {
    assert.deepEqual(parseBasic(basic('alice:a:b')), { user: 'alice', password: 'a:b' });
    assert.deepEqual(parseBasic(basic('ä:ö').replace('Basic', 'basic')), { user: 'ä', password: 'ö' });
    assert.deepEqual(parseBasic(basic(':')), { user: '', password: '' });
    for (const text of [
      undefined,
      '',
      'Basic',
      'Basic !',
      basic('alice'),
      `Bearer ${basic('a:b').slice(6)}`,
      `x${basic('a:b')}`,
    ])
      assert.equal(parseBasic(text), undefined, text);
    assert.equal(parseBasic(`Basic ${'A'.repeat(100_000)}`), undefined);
  });
});

describe('a web configuration that changes while it is in force', () => {
  /** The protection over a folder, and how to let a second pass. */
  function live(t: Parameters<typeof WebConfigFolder.create>[0], text: string) {
    const folder = WebConfigFolder.create(t, text);
    const log: { level: string; message: string; fields: object }[] = [];
    const say = (level: string) => (fields: object, message: string) => void log.push({ level, message, fields });
    const logger = {
      fatal: say('fatal'),
      error: say('error'),
      warn: say('warn'),
      info: say('info'),
      debug: say('debug'),
    };
    let now = 0;
    const protection = new LiveProtection(folder.path, logger, () => now);
    return {
      folder,
      /** Of the start. */
      first: log.splice(0),
      log,
      protection,
      later: () => ((now += 1000), protection.current),
      soon: () => ((now += 999), protection.current),
    };
  }
  const TLS = 'tls_server_config: {cert_file: server.pem, key_file: server.key';
  const CLIENTS = `${TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem`;
  const alice = `basic_auth_users: {alice: ${aHash('a')}}\n`;

  it('is looked at once a second at most, and costs nothing while it stays', (t) => {
    const { folder, protection, soon, later } = live(t, alice);
    const before = protection.current;
    folder.write(`basic_auth_users: {bob: ${aHash('b')}}\n`);
    assert.equal(soon(), before);
    assert.deepEqual([...later().users.keys()], ['bob']);
    assert.equal(later(), protection.current);
  });

  it('is told of once when it cannot be used, stays as it was, and is taken when mended', (t) => {
    const { folder, log, protection, later } = live(t, `${TLS}}\n${alice}`);
    const before = protection.current;
    for (const [broken, problem] of [
      ['', /nothing in it/],
      [undefined, /ENOENT/],
      [`${TLS}}\n${alice}bogus: 1\n`, /"bogus" is not known/],
      [`${TLS.replace('server.key', 'renewed.key')}}\n${alice}`, /is not the key/],
      [`${TLS.replace('server.key', 'no.key')}}\n${alice}`, /no\.key": ENOENT/],
    ] as const) {
      folder.write(broken);
      log.length = 0;
      assert.equal(later(), before);
      assert.equal(later(), before);
      assert.deepEqual(
        log.map(({ level, message }) => [level, message]),
        [['error', 'the web configuration changed and cannot be used: the former one stays in force']],
      );
      assert.match(JSON.stringify((log[0]?.fields as { problem: string }).problem).replaceAll('\\"', '"'), problem);
    }
    folder.write(`${TLS}}\n${alice}# mended\n`);
    log.length = 0;
    assert.notEqual(later(), before);
    assert.deepEqual(
      log.map(({ level }) => level),
      ['info'],
    );
  });

  it('warns of a certificate that has expired, at the start and when it is read again', (t) => {
    const expired = TLS.replace('server.pem', 'expired.pem').replace('server.key', 'expired.key');
    const { folder, first, log, later } = live(t, `${expired}}\n${alice}`);
    folder.write(`${expired}}\n${alice}# the same again\n`);
    later();
    for (const lines of [first, log]) {
      const warnings = lines.filter(({ level }) => level === 'warn');
      assert.deepEqual(
        warnings.map(({ message }) => message),
        ['the certificate of this server has expired'],
      );
    }
  });

  it('does not go back to an older TLS version', (t) => {
    const { folder, log, protection, later } = live(t, `${TLS}, min_version: TLS13}\n${alice}`);
    const before = protection.current;
    folder.write(`${TLS}}\n${alice}`);
    log.length = 0;
    assert.equal(later(), before);
    assert.match(JSON.stringify(log), /min_version TLSv1\.2 is older than before/);
  });

  it('never takes protection away, as half a file would', (t) => {
    const strict = 'cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], curve_preferences: [X25519]';
    const demands = `${CLIENTS}, client_allowed_sans: [prometheus.example]`;
    const rate = 'rate_limit: {interval: 1s, burst: 5}\n';
    const whole = `${demands}, ${strict}}\n${alice}${rate}`;
    const { folder, log, protection, later } = live(t, whole);
    const before = protection.current;
    for (const [less, problem] of [
      [alice, /tls_server_config is gone: TLS ends with a restart only/],
      [`${demands}, ${strict}}\n${rate}`, /basic_auth_users is gone/],
      [`${demands}, ${strict}}\n${alice}`, /rate_limit is gone/],
      [`${demands}, curve_preferences: [X25519]}\n${alice}${rate}`, /cipher_suites allows more than before/],
      [`${demands}, ${strict.replace(/, curve.*/, '')}}\n${alice}${rate}`, /curve_preferences is gone/],
      [`${TLS}}\n${alice}${rate}`, /NoClientCert demands less than RequireAndVerifyClientCert/],
      [`${CLIENTS}}\n${alice}${rate}`, /client_allowed_sans is gone/],
    ] as const) {
      folder.write(less);
      log.length = 0;
      assert.equal(later(), before);
      assert.match((log[0]?.fields as { problem: string }).problem, problem);
    }
    folder.write(`${demands.replace('prometheus', 'other')}, ${strict}}\n${alice}${rate}`);
    assert.deepEqual(later().tls?.allowedSans, ['other.example']);
  });

  it('does not start TLS on a plain server', (t) => {
    const { folder, log, protection, later } = live(t, alice);
    const before = protection.current;
    folder.write(`${TLS}}\n${alice}`);
    assert.equal(later(), before);
    assert.match((log[0]?.fields as { problem: string }).problem, /is new: TLS starts with a restart only/);
  });

  it('sees a certificate renewed in place, also within one tick of the clock', (t) => {
    const { folder, later } = live(t, `${TLS}}\n`);
    const first = later().tls?.certificate.fingerprint256;
    folder.copy('renewed.pem', 'server.pem');
    folder.copy('renewed.key', 'server.key');
    const second = later().tls?.certificate.fingerprint256;
    assert.notEqual(second, first);
    folder.copy('server.pem');
    folder.copy('server.key');
    assert.equal(later().tls?.certificate.fingerprint256, first);
  });
});
