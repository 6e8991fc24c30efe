import type { FastifyInstance } from 'fastify';
import { devicesDocument, type DeviceHealth, type HealthCause } from '../../events/device-health.js';
import { eventDefinitions } from '../../events/index.js';
import { JOBS_PATH } from '../../names.js';
import { isOfWholeDevice, type JobEvents } from '../../sinks/jobs/sink.js';
import type { PeerOf } from '../server.js';

export interface JobDevicesParts {
  readonly events: Pick<JobEvents, 'devicesOf' | 'opaqueId'>;
  readonly health: () => readonly DeviceHealth[];
  readonly peerOf: PeerOf;
}

/** GET /devices on the jobs' socket: the health of the devices that the peer's workload has open. */
export function jobDevicesRoute(app: FastifyInstance, { events, health, peerOf }: JobDevicesParts): void {
  app.get(JOBS_PATH.devices, (request, reply) => {
    const { owner } = peerOf(request);
    const open = events.devicesOf(owner);
    const shown = health()
      .filter(({ pciBdf }) => open.includes(pciBdf))
      .map((device) => ({ ...device, cause: device.cause && causeForJobs(device.cause, events, owner) }));
    return reply.type('application/json; charset=utf-8').send(devicesDocument(shown));
  });
}

/** Without a sentence that could name somebody else. */
function causeForJobs(cause: HealthCause, events: Pick<JobEvents, 'opaqueId'>, owner: string): HealthCause {
  const summary = eventDefinitions.find(({ name }) => name === cause.event)?.summary ?? '';
  return {
    ...cause,
    id: cause.id === null ? null : events.opaqueId(cause.id, owner),
    body: isOfWholeDevice(cause.event) ? cause.body : summary,
  };
}
