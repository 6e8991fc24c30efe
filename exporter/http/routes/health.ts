import type { FastifyInstance } from 'fastify';
import { PATH } from '../../names.js';
import type { DocumentQueue } from '../document-queue.js';
import { documentRoute } from './document.js';

export interface Readiness {
  readonly ready: boolean;
  /** One line that says why, or why not. */
  readonly reason: string;
}

/** GET /healthz: the process answers. GET /readyz: 200 when it can do its work, else 503; the body is the reason. */
export function healthRoutes(app: FastifyInstance, readiness: () => Readiness, queue: DocumentQueue): void {
  documentRoute(app, PATH.healthz, queue, () => Buffer.from('ok\n'));

  documentRoute(app, PATH.readyz, queue, (_request, reply) => {
    const { ready, reason } = readiness();
    reply.code(ready ? 200 : 503);
    return Buffer.from(`${reason}\n`);
  });
}
