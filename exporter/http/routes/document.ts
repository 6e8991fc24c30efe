import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Makes the body of an answer, after it has set status and headers; a string that is sent before that is a refusal. */
export type DocumentMaker = () => Buffer | Promise<Buffer>;

/**
 * A route that answers GET with a document and HEAD with the same status and headers, but for Content-Length: for HEAD the
 * document is not made.
 *
 * @param prepare sets status and headers. @returns what makes the document, or the reply when it is answered already
 */
export function documentRoute(
  app: FastifyInstance,
  path: string,
  prepare: (request: FastifyRequest, reply: FastifyReply) => DocumentMaker | FastifyReply,
): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: path,
    async handler(request, reply) {
      const make = prepare(request, reply);
      if (typeof make !== 'function') return make;
      return request.method === 'HEAD' ? null : make();
    },
  });
}
