import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { EventFeed } from '../../events/event-feed.js';
import { PATH } from '../../names.js';
import type { NodeStatus } from '../status/node-status.js';
import { statusPage } from '../status/page.js';
import { SCRIPT } from '../status/script.js';
import { STYLE } from '../status/style.js';
import type { DocumentQueue } from '../document-queue.js';
import { documentRoute } from './document.js';
import type { Readiness } from './health.js';

export interface StatusOptions {
  readonly status: () => Promise<NodeStatus>;
  readonly readiness: () => Readiness;
  readonly feed: EventFeed | undefined;
  readonly queue: DocumentQueue;
}

/** Allows only this one style and this one script, so that a string from the node cannot run even if it gets past the escaping. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src ${hashOf(STYLE)}`,
  `script-src ${hashOf(SCRIPT)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** GET /: how the node is, what happened, and what to do. For people. */
export function statusRoute(app: FastifyInstance, { status, readiness, feed, queue }: StatusOptions): void {
  documentRoute(app, PATH.landing, queue, (_request, reply) => {
    reply
      .type('text/html; charset=utf-8')
      .header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
      .header('Referrer-Policy', 'no-referrer');
    return {
      key: PATH.landing,
      async make() {
        const page = statusPage({ status: await status(), readiness: readiness(), feed, now: new Date() });
        return { body: Buffer.from(page) };
      },
    };
  });
}

function hashOf(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
}
