import type { FastifyInstance } from 'fastify';
import { devicesDocument, type DeviceHealth } from '../../events/device-health.js';
import { PATH } from '../../names.js';
import type { DocumentQueue } from '../document-queue.js';
import { documentRoute } from './document.js';

/** GET /devices: whether each GPU is fit for work, since when, because of what, and what to do. Asks no device. */
export function devicesRoute(app: FastifyInstance, devices: () => readonly DeviceHealth[], queue: DocumentQueue): void {
  documentRoute(app, PATH.devices, queue, (_request, reply) => {
    reply.type('application/json; charset=utf-8');
    return Buffer.from(devicesDocument(devices()));
  });
}
