import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import bcrypt from 'bcryptjs';
import { METRIC } from '../../exporter/names.js';
import { parseExposition } from '../helpers/exposition.js';
import { waitFor } from '../helpers/wait-for.js';
import { get, pem, PKI, WebConfigFolder } from '../helpers/web-config.js';
import { startDemo, type RunningExporter } from './demo-exporter.js';
import { isMachineTooSlow, startPrometheus, type PrometheusServer } from './prometheus-server.js';
import { tool } from './tool.js';

/** Prometheus 2.42 knows no scrape_protocols: it always prefers OpenMetrics. */
const SCRAPES: readonly [version: '2' | '3', title: string, options: string][] = [
  ['2', 'Prometheus 2.42', ''],
  ['3', 'Prometheus 3 with its default protocols', ''],
  ['3', 'Prometheus 3 with OpenMetrics alone', 'scrape_protocols: [OpenMetricsText1.0.0]'],
  ['3', 'Prometheus 3 with text 0.0.4 alone', 'scrape_protocols: [PrometheusText0.0.4]'],
  ['3', 'Prometheus 3 without compression', 'enable_compression: false'],
];

const ACCEPT = { text: 'text/plain', openmetrics: 'application/openmetrics-text' };

const DEADLINE = { deadlineMs: 180_000 };

let exporter: RunningExporter;
before(async () => void (exporter = await startDemo()));
after(() => exporter?.stop());

for (const [version, title, options] of SCRAPES) {
  describe(title, () => {
    let prometheus: PrometheusServer;
    before(
      async () =>
        void (prometheus = await startPrometheus(
          tool('PROMETHEUS', version),
          new URL(exporter.metricsUrl).host,
          options,
        )),
    );
    after(() => prometheus?.stop());

    it('scrapes without an error and has the series', async () => {
      const errors = new Set<string>();
      const series = await waitFor(
        async () => {
          for (const { lastError } of await prometheus.targets()) errors.add(lastError);
          const found = await prometheus.query(METRIC.vmRebindErrors);
          return found.length > 0 && (await prometheus.query('sum_over_time(up[1h]) >= 4')).length > 0
            ? found
            : undefined;
        },
        { ...DEADLINE, what: `four scrapes with ${METRIC.vmRebindErrors}` },
      );
      assert.ok(series.every(({ metric }) => metric['pci_bdf'] && metric['errno']));
      assert.deepEqual(
        [...errors].filter((error) => !isMachineTooSlow(error)),
        [''],
      );
      assert.deepEqual(prometheus.complaints(), []);
    });

    it('stores every series that /metrics shows', async () => {
      const shown = [...parseExposition(await scrape('text')).keys()].map((key) => key.replace(/\{.*/s, ''));
      let missing: readonly string[] = shown;
      const isStored = async () => {
        const stored = await prometheus.query('{job="xe"}');
        const names = new Set(stored.map(({ metric }) => metric['__name__']));
        missing = [...new Set(shown)].filter((name) => !names.has(name));
        return missing.length === 0;
      };
      await waitFor(isStored, { ...DEADLINE, what: 'the next scrape' }).catch(() => assert.deepEqual(missing, []));
    });
  });
}

describe('behind a web configuration', () => {
  for (const version of ['2', '3'] as const) {
    it(`is scraped by Prometheus ${version} over TLS, with a client certificate and a password`, async (t) => {
      const folder = WebConfigFolder.create(t, webConfig('right'));
      const protectedExporter = await startDemo({ flags: [`--web-config-file=${folder.path}`] });
      t.after(() => protectedExporter.stop());
      const { host, protocol } = new URL(protectedExporter.metricsUrl);
      assert.equal(protocol, 'https:');
      const file = (name: string) => resolve(PKI, name);
      const server = await startPrometheus(
        tool('PROMETHEUS', version),
        host,
        `scheme: https
    basic_auth: {username: prometheus, password: right}
    tls_config: {ca_file: ${file('ca.pem')}, cert_file: ${file('client.pem')}, key_file: ${file('client.key')}}`,
      );
      t.after(() => server.stop());
      const scrapes = (count: number) =>
        waitFor(async () => (await server.query(`sum_over_time(up[1h]) >= ${count}`)).length > 0, {
          ...DEADLINE,
          what: `${count} scrapes`,
        });
      await scrapes(4);
      // Renewed while it is scraped: nothing is missed.
      folder.copy('renewed.pem', 'server.pem');
      folder.copy('renewed.key', 'server.key');
      await waitFor(async () => (await get(`https://${host}/`, clientCertificate())).fingerprint === renewed(), {
        ...DEADLINE,
        what: 'the renewed certificate',
      });
      const [soFar] = await server.query('sum_over_time(up[1h])');
      await scrapes(Number(soFar!.value[1]) + 4);
      const { lastError } = (await server.targets())[0]!;
      assert.ok(lastError === '' || isMachineTooSlow(lastError), lastError);
      assert.ok((await server.query(METRIC.vmRebindErrors)).length > 0);
      // A password that is no longer right.
      folder.write(webConfig('other'));
      await waitFor(async () => /401/.test((await server.targets())[0]?.lastError ?? ''), {
        ...DEADLINE,
        what: 'the scrapes to be refused',
      });
    });
  }

  const webConfig = (password: string) => `tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example]
  min_version: TLS13
basic_auth_users:
  prometheus: ${bcrypt.hashSync(password, 10)}
`;
  const clientCertificate = () => ({ cert: pem('client.pem'), key: pem('client.key') });
  const renewed = () => new X509Certificate(pem('renewed.pem')).fingerprint256;
});

describe('promtool check metrics', () => {
  for (const version of ['2', '3'] as const) {
    for (const format of ['text', 'openmetrics'] as const) {
      it(`has nothing to say about ${format} (promtool of Prometheus ${version})`, async () => {
        // promtool reads the text format only: OpenMetrics' end mark is a comment to it, and its counters lack their HELP.
        const text = format === 'text' ? await scrape('text') : asText(await scrape('openmetrics'));
        const { status, stdout, stderr } = spawnSync(tool('PROMTOOL', version), ['check', 'metrics'], {
          input: text,
          encoding: 'utf8',
        });
        assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
      });
    }
  }
});

async function scrape(format: keyof typeof ACCEPT): Promise<string> {
  const response = await fetch(exporter.metricsUrl, { headers: { accept: ACCEPT[format] } });
  assert.equal(response.status, 200);
  const text = await response.text();
  parseExposition(text);
  return text;
}

/** OpenMetrics with the counters' names written as the text format does. */
function asText(openMetrics: string): string {
  return openMetrics
    .replace(/^# EOF\n/m, '')
    .replace(/^# HELP (\S+) (.*)\n# TYPE \1 counter$/gm, '# HELP $1_total $2\n# TYPE $1_total counter');
}
