import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { decodeJsonLogs, decodeLogs, encodeAnswer, type ReceivedRecord } from './otlp.js';
import { decodeJsonMetrics, decodeMetrics, type ReceivedMetrics } from './otlp-metrics.js';

/** What the collector does with a request. `drip` answers 200 and never ends the body. */
export type Behaviour =
  | { readonly kind: 'ok' | 'bad_request' | 'hang' | 'reset' | 'drip' }
  | { readonly kind: 'unavailable'; readonly retryAfter: number }
  | { readonly kind: 'partial'; readonly rejected: number }
  | { readonly kind: 'slow'; readonly delayMs: number };

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of a request to /v1/logs. */
  readonly records: readonly ReceivedRecord[];
  /** Of a request to /v1/metrics. */
  readonly metrics: ReceivedMetrics | undefined;
}

export interface Collector {
  /** Of the next requests. */
  behaviour: Behaviour;
  readonly port: number;
  /** `http://127.0.0.1:<port>`, or `https:`. */
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  /** Drops every connection and stops listening. */
  stop(): Promise<void>;
}

export interface CollectorOptions {
  readonly behaviour?: Behaviour;
  readonly port?: number;
  /** Speaks TLS with this certificate. */
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer };
}

/** An OTLP/HTTP receiver of logs and metrics in this process, protobuf and JSON, plain or gzip, that misbehaves on request. */
export async function startCollector(given: CollectorOptions = {}): Promise<Collector> {
  const requests: ReceivedRequest[] = [];
  const take: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const json = request.headers['content-type'] === 'application/json';
      const { method = '', url: path = '', headers } = request;
      const isMetrics = path.endsWith('/v1/metrics');
      const encoding = headers['content-encoding'];
      const records = isMetrics ? [] : (json ? decodeJsonLogs : decodeLogs)(body, encoding);
      const metrics = isMetrics ? (json ? decodeJsonMetrics : decodeMetrics)(body, encoding) : undefined;
      requests.push({ method, path, headers, body, records, metrics });
      answer(collector.behaviour, response, request.socket, json);
    });
  };
  const server = given.tls ? createTlsServer(given.tls, take) : createServer(take);
  const port = await listen(server, given.port ?? 0);
  const collector: Collector = {
    behaviour: given.behaviour ?? { kind: 'ok' },
    port,
    url: `${given.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return collector;
}

function answer(behaviour: Behaviour, response: ServerResponse, socket: Socket, json: boolean): void {
  const accept = (rejected = 0): void => {
    response.setHeader('content-type', json ? 'application/json' : 'application/x-protobuf');
    // JSON carries an int64 as a string.
    const count = { rejectedLogRecords: String(rejected), rejectedDataPoints: String(rejected) };
    const partial = { partialSuccess: { ...count, errorMessage: 'too old' } };
    response.end(json ? JSON.stringify(rejected ? partial : {}) : encodeAnswer(rejected));
  };
  switch (behaviour.kind) {
    case 'ok':
      return accept();
    case 'partial':
      return accept(behaviour.rejected);
    case 'slow':
      setTimeout(accept, behaviour.delayMs).unref();
      return;
    case 'bad_request':
      response.writeHead(400).end('no such tenant');
      return;
    case 'unavailable':
      response.writeHead(503, { 'retry-after': String(behaviour.retryAfter) }).end();
      return;
    case 'drip':
      response.writeHead(200).flushHeaders();
      return;
    case 'reset':
      socket.resetAndDestroy();
      return;
    case 'hang':
      return;
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
