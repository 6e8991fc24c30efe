import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface NotifiedAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The pager: takes what Alertmanager sends to a webhook and keeps it. */
export interface Webhook {
  readonly url: string;
  /** Every alert of every notification so far, in order of arrival. */
  readonly alerts: readonly NotifiedAlert[];
  stop(): Promise<void>;
}

export async function startWebhook(): Promise<Webhook> {
  const alerts: NotifiedAlert[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      alerts.push(...(JSON.parse(body) as { alerts: NotifiedAlert[] }).alerts);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    alerts,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
