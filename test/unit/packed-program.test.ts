import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Script } from 'node:vm';
import { STYLE } from '../../exporter/http/status/style.js';
import { PATH } from '../../exporter/names.js';
import { startCollector } from '../helpers/collector.js';
import { ExporterProcess } from '../helpers/exporter-process.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { startGrpcCollector } from '../helpers/grpc-collector.js';
import { packProgram } from '../helpers/packed-program.js';
import { waitFor } from '../helpers/wait-for.js';
import { aHash, WebConfigFolder } from '../helpers/web-config.js';

describe('the program in few files', () => {
  const { root } = new FixtureTree({ after });
  let main: string;
  before(() => {
    main = packProgram(root);
  });

  const output = (...args: string[]): string =>
    spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 120_000 }).stdout;

  it('says its version, judges a node and runs a job', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    assert.equal(output('--version'), `${version}\n`);
    assert.match(output('doctor'), /native addon +loaded/);
    assert.equal(output('run', '--', 'echo', 'running'), 'running\n');
  });

  it('serves what its modules keep in files beside them', async (t) => {
    const web = WebConfigFolder.create(t, `basic_auth_users: {prometheus: "${aHash('secret')}"}\n`);
    const exporter = await ExporterProcess.demo({
      program: [process.execPath, main],
      args: [`--web-config-file=${web.path}`],
    });
    t.after(() => exporter.stop('SIGKILL'));
    const authorization = `Basic ${Buffer.from('prometheus:secret').toString('base64')}`;
    const get = async (path: string): Promise<string> => {
      const response = await fetch(exporter.url + path, { headers: { authorization } });
      assert.equal(response.status, 200, path);
      return response.text();
    };
    assert.equal((await fetch(exporter.url + PATH.metrics)).status, 401);
    assert.match(await get(PATH.metrics), /^xe_exporter_build_info\{/m);
    const page = await get(PATH.landing);
    assert.ok(page.includes(STYLE));
    const [, script = ''] = /<script[^>]*>(.+?)<\/script>/s.exec(page) ?? [];
    assert.ok(script.includes('EventSource'));
    assert.doesNotThrow(() => new Script(script));
    assert.equal(await get(PATH.jobsClient), readFileSync('exporter/jobs/xe_exporter_jobs.py', 'utf8'));
    assert.equal(await exporter.stop(), 0);
  });

  for (const [protocol, start] of [
    ['grpc', startGrpcCollector],
    ['http/protobuf', startCollector],
    ['http/json', startCollector],
  ] as const)
    it(`pushes log events and metrics over ${protocol}`, async (t) => {
      const collector = await start();
      t.after(() => collector.stop());
      const exporter = await ExporterProcess.demo({
        program: [process.execPath, main],
        args: [`--otlp-endpoint=${collector.url}`, '--otlp-metrics', '--demo-rate=50'],
        env: { OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_METRIC_EXPORT_INTERVAL: '1000' },
      });
      t.after(() => exporter.stop('SIGKILL'));
      const received = 'calls' in collector ? () => collector.calls : () => collector.requests;
      await waitFor(() => received().some(({ records }) => records.length > 0), { what: 'log events' });
      await waitFor(() => received().some(({ metrics }) => metrics !== undefined), { what: 'metrics' });
      assert.equal(await exporter.stop(), 0);
    });
});
