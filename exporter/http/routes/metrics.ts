import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { PATH } from '../../names.js';
import { EXPOSITION_CONTENT_TYPE, type ExpositionRegistry } from '../../metrics/engine/prom-client-adapter.js';
import { acceptsGzip, negotiateFormat } from '../negotiate.js';
import type { DocumentQueue } from '../document-queue.js';
import { documentRoute } from './document.js';

/** Below this many bytes gzip costs more than the packet it saves. */
const GZIP_THRESHOLD = 1400;

const compress = promisify(gzip);

/** GET /metrics. Reads the registry and nothing else: no scrape waits for a device or wakes one. */
export function metricsRoute(
  app: FastifyInstance,
  registry: Pick<ExpositionRegistry, 'render'>,
  queue: DocumentQueue,
): void {
  documentRoute(app, PATH.metrics, queue, (request, reply) => {
    const format = negotiateFormat(request.headers.accept);
    const isZipped = acceptsGzip(header(request.headers['accept-encoding']));
    reply.header('Content-Type', EXPOSITION_CONTENT_TYPE[format]).header('Vary', 'Accept, Accept-Encoding');
    return {
      key: `${PATH.metrics} ${format} ${isZipped ? 'gzip' : ''}`,
      async make() {
        const body = Buffer.from(await registry.render(format));
        if (!isZipped || body.length < GZIP_THRESHOLD) return { body };
        // On the thread pool; level 1 shrinks an exposition to a tenth, more effort gains little.
        return { body: await compress(body, { level: constants.Z_BEST_SPEED }), encoding: 'gzip' };
      },
    };
  });
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}
