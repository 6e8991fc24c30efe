import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface NotifiedAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** When it began to fire: the same in every notification of one incident. */
  readonly startsAt: string;
}

/** What wakes somebody up: one call of the webhook. */
export interface Notification {
  readonly status: NotifiedAlert['status'];
  /** Labels that all of its alerts share by the grouping of the route. */
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly alerts: readonly NotifiedAlert[];
}

/** The pager: takes what Alertmanager sends to a webhook and keeps it. */
export interface Webhook {
  readonly url: string;
  /** Every alert of every notification so far, in order of arrival. */
  readonly alerts: readonly NotifiedAlert[];
  readonly notifications: readonly Notification[];
  /** How long it has been silent, in milliseconds. */
  silentMs(): number;
  stop(): Promise<void>;
}

export async function startWebhook(): Promise<Webhook> {
  const alerts: NotifiedAlert[] = [];
  const notifications: Notification[] = [];
  let heardAt = performance.now();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const notification = JSON.parse(body) as Notification;
      notifications.push(notification);
      heardAt = performance.now();
      alerts.push(...notification.alerts);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    alerts,
    notifications,
    silentMs: () => performance.now() - heardAt,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
