import type { FastifyInstance } from 'fastify';
import { PATH } from '../../names.js';

export interface Readiness {
  readonly ready: boolean;
  /** One line that says why, or why not. */
  readonly reason: string;
}

/** GET /healthz: the process answers. GET /readyz: 200 when it can do its work, else 503; the body is the reason. */
export function healthRoutes(app: FastifyInstance, readiness: () => Readiness): void {
  app.get(PATH.healthz, async () => 'ok\n');

  app.get(PATH.readyz, async (_request, reply) => {
    const { ready, reason } = readiness();
    return reply.code(ready ? 200 : 503).send(`${reason}\n`);
  });
}
