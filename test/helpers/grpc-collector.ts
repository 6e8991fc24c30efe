import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { decodeLogs, encodeAnswer, type ReceivedRecord } from './otlp.js';
import { decodeMetrics, type ReceivedMetrics } from './otlp-metrics.js';

export interface GrpcCall {
  readonly path: string;
  /** Of the logs service. */
  readonly records: readonly ReceivedRecord[];
  /** Of the metrics service. */
  readonly metrics: ReceivedMetrics | undefined;
}

export interface GrpcCollector {
  /** Records to refuse of each request. */
  rejected: number;
  /** True leaves every call without an answer. */
  hangs: boolean;
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  readonly calls: readonly GrpcCall[];
  stop(): Promise<void>;
}

const PREFIX_BYTES = 5;

/** An OTLP/gRPC receiver of logs and metrics on bare HTTP/2: one message a call, after a byte for the compression and four for the length. */
export async function startGrpcCollector(): Promise<GrpcCollector> {
  const calls: GrpcCall[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const message = Buffer.concat(chunks);
      const encoding = message[0] === 1 ? 'gzip' : '';
      const path = String(headers[':path']);
      const body = message.subarray(PREFIX_BYTES);
      const isMetrics = path.includes('Metrics');
      calls.push({
        path,
        records: isMetrics ? [] : decodeLogs(body, encoding),
        metrics: isMetrics ? decodeMetrics(body, encoding) : undefined,
      });
      if (collector.hangs) return;
      const answer = encodeAnswer(collector.rejected);
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(answer.length, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([prefix, answer]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const collector: GrpcCollector = {
    rejected: 0,
    hangs: false,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    stop: () =>
      new Promise((resolve) => {
        for (const session of sessions) session.destroy();
        server.close(() => resolve());
      }),
  };
  return collector;
}
