import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Server } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { join, resolve } from 'node:path';
import { startGrpcCollector } from '../helpers/grpc-collector.js';
import { waitFor } from '../helpers/wait-for.js';
import { pem, PKI } from '../helpers/web-config.js';
import { Rightful } from './rightful.js';
import { ANSWER_MS, CHART_LIMIT, demo, memory, SHORT, stop } from './target.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    (server as Partial<{ closeAllConnections: () => void }>).closeAllConnections?.();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const hang: Handler = (request) => void request.resume();
/** The collector takes its time: longer than any time-out of the exporter. */
const afterAMinute: Handler = (request, response) => {
  request.resume();
  setTimeout(() => response.end(), 61_000).unref();
};

describe('a collector', () => {
  const table: readonly (readonly [what: string, handler: Handler, tls: boolean, failed: boolean])[] = [
    ['with a certificate of an unknown authority', (_request, response) => response.end(), true, true],
    ['that never answers', hang, false, false],
    ...(SHORT ? [] : [['that answers after a minute', afterAMinute, false, true] as const]),
    [
      'that answers in another protocol',
      (_request, response) => response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end(),
      false,
      true,
    ],
  ];
  for (const [what, handler, isTls, failed] of table) {
    it(`${what} costs log events and data points, which are counted, and nothing else`, async (t) => {
      const tls = { key: pem('server.key'), cert: pem('server.pem') };
      const port = await listen(t, isTls ? createTlsServer(tls, handler) : createServer(handler));
      const exporter = await demo(t, {
        args: [`--otlp-endpoint=${isTls ? 'https' : 'http'}://127.0.0.1:${port}`, '--otlp-metrics', '--demo-rate=200'],
        env: {
          OTEL_BLRP_EXPORT_TIMEOUT: '2000',
          OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
          OTEL_METRIC_EXPORT_INTERVAL: '1000',
          OTEL_METRIC_EXPORT_TIMEOUT: '1000',
        },
      });
      const rightful = new Rightful(exporter.url);
      await rightful.rounds(SHORT ? 5 : 200);
      const lost = async (signal: string): Promise<number> => {
        const metrics = await exporter.metrics();
        const count = (result: string): number =>
          metrics.get(`xe_exporter_otlp_records_total{signal="${signal}",result="${result}"}`) ?? 0;
        return count('failed') + count('dropped');
      };
      for (const signal of failed ? ['logs', 'metrics'] : []) {
        await waitFor(async () => (await lost(signal)) > 0, { what: `lost ${signal}` });
      }
      const { failures, worstMs } = await rightful.end();
      const { peak } = await memory(exporter);
      t.diagnostic(`peak ${Math.round(peak)} MiB, slowest answer ${worstMs} ms, ${exporter.log.length} lines`);
      assert.deepEqual(failures, []);
      assert.ok(peak < CHART_LIMIT - 64);
      const { code, ms } = await stop(exporter);
      assert.equal(code, 0);
      assert.ok(ms < ANSWER_MS, `${ms} ms to stop`);
    });
  }

  it('whose authority is given is trusted, and no other', async (t) => {
    let requests = 0;
    const tls = { key: pem('server.key'), cert: pem('server.pem') };
    const handler: Handler = (request, response) => {
      requests++;
      request.resume().on('end', () => response.setHeader('content-type', 'application/x-protobuf').end());
    };
    const port = await listen(t, createTlsServer(tls, handler));
    const args = [`--otlp-endpoint=https://localhost:${port}`, '--demo-rate=200'];
    const other = await demo(t, { args, env: { OTEL_EXPORTER_OTLP_CERTIFICATE: resolve(join(PKI, 'other-ca.pem')) } });
    await waitFor(() => other.log.some(({ msg }) => /certificate|issuer/.test(String(msg))), {
      what: 'the refusal in the log',
      deadlineMs: 60_000,
    });
    assert.equal(requests, 0);
    await demo(t, { args, env: { OTEL_EXPORTER_OTLP_CERTIFICATE: resolve(join(PKI, 'ca.pem')) } });
    await waitFor(() => requests > 0, { what: 'records', deadlineMs: 60_000 });
  });

  it('of gRPC that hangs, and one that is none, hold nothing up', async (t) => {
    const collector = await startGrpcCollector();
    collector.hangs = true;
    t.after(() => collector.stop());
    const mute = await listen(
      t,
      createServer().on('connection', (socket) => void connect(1, '127.0.0.1').on('error', () => socket.destroy())),
    );
    for (const url of [collector.url, `http://127.0.0.1:${mute}`]) {
      const exporter = await demo(t, {
        args: [`--otlp-endpoint=${url}`, '--demo-rate=200'],
        env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_BLRP_EXPORT_TIMEOUT: '2000' },
      });
      const rightful = new Rightful(exporter.url);
      await rightful.rounds(5);
      assert.deepEqual((await rightful.end()).failures, []);
      assert.ok((await memory(exporter)).peak < CHART_LIMIT - 64);
      assert.ok((await stop(exporter)).ms < ANSWER_MS);
    }
  });
});
