import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { PATH } from '../../names.js';
import type { DocumentQueue } from '../document-queue.js';
import { documentRoute } from './document.js';

/** Jobs are written in Python; the client is one file that a job can fetch, the same as the one beside the program. */
const FILE = new URL('../../jobs/xe_exporter_jobs.py', import.meta.url);

/** GET /jobs/xe_exporter_jobs.py: the client for jobs. Read when first asked for, as hardly anybody does. */
export function jobsClientRoute(app: FastifyInstance, queue: DocumentQueue): void {
  let source: Buffer | undefined;
  documentRoute(app, PATH.jobsClient, queue, (_request, reply) => {
    reply
      .type('text/x-python; charset=utf-8')
      .header('Content-Disposition', 'attachment; filename="xe_exporter_jobs.py"');
    return (source ??= readFileSync(FILE));
  });
}
