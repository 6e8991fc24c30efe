import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../../peer-network.js';
import type { DocumentQueue, MadeDocument } from '../document-queue.js';

/** A document that is expensive to make. */
export interface CostlyDocument {
  /** Names what is asked for: requests for the same share what is made. */
  readonly key: string;
  readonly make: () => MadeDocument | Promise<MadeDocument>;
}

/** @returns a small document, or what makes a large one, or the reply when it is answered already */
type Prepare = (request: FastifyRequest, reply: FastifyReply) => Buffer | CostlyDocument | FastifyReply;

/**
 * A route that answers GET with a document and HEAD with the same status and headers, but for Content-Length: for HEAD no document
 * is made.
 *
 * @param queue where costly documents wait for their turn
 * @param prepare sets status and headers
 */
export function documentRoute(app: FastifyInstance, path: string, queue: DocumentQueue, prepare: Prepare): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: path,
    async handler(request, reply) {
      const document = prepare(request, reply);
      if (document === reply) return reply;
      if (request.method === 'HEAD') return null;
      if (!isCostly(document)) return document;
      const { socket } = request.raw;
      const reader = { peer: networkOf(request.ip), isGone: () => socket.destroyed };
      const { body, encoding } = await queue.make(document.key, reader, document.make);
      if (encoding) reply.header('Content-Encoding', encoding);
      return body;
    },
  });
}

function isCostly(document: ReturnType<Prepare>): document is CostlyDocument {
  return 'make' in document;
}
