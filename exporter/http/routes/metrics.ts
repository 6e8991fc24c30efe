import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { PATH } from '../../names.js';
import {
  EXPOSITION_CONTENT_TYPE,
  type ExpositionFormat,
  type ExpositionRegistry,
} from '../../metrics/engine/registry.js';
import { acceptsGzip, negotiateFormat } from '../negotiate.js';
import { documentRoute } from './document.js';

/** Below this many bytes gzip costs more than the packet it saves. */
const GZIP_THRESHOLD = 1400;

const compress = promisify(gzip);

/** GET /metrics. Reads the registry and nothing else: no scrape waits for a device or wakes one. */
export function metricsRoute(app: FastifyInstance, registry: Pick<ExpositionRegistry, 'render'>): void {
  const underWay = new Map<string, Promise<Buffer>>();

  /** Scrapes that come while one is under way get its bytes: a crowd costs one rendering and one buffer. */
  function share(key: string, make: () => Promise<Buffer>): Promise<Buffer> {
    const current = underWay.get(key) ?? make().finally(() => underWay.delete(key));
    underWay.set(key, current);
    return current;
  }

  const plain = (format: ExpositionFormat) => share(format, async () => Buffer.from(await registry.render(format)));
  // On the thread pool; level 1 shrinks an exposition to a tenth, more effort gains little.
  const zipped = (format: ExpositionFormat) =>
    share(`${format} gzip`, async () => compress(await plain(format), { level: constants.Z_BEST_SPEED }));

  documentRoute(app, PATH.metrics, (request, reply) => {
    const format = negotiateFormat(request.headers.accept);
    reply.header('Content-Type', EXPOSITION_CONTENT_TYPE[format]).header('Vary', 'Accept, Accept-Encoding');
    return async () => {
      const body = await plain(format);
      if (body.length < GZIP_THRESHOLD || !acceptsGzip(header(request.headers['accept-encoding']))) return body;
      reply.header('Content-Encoding', 'gzip');
      return zipped(format);
    };
  });
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}
