/** The HTTP side of the exporter over as many series as asked for, of which nothing moves. Tells its URL and their number. */
import { createHttpServer, listenHttp } from '../../../exporter/http/server.js';
import { PrometheusSink } from '../../../exporter/sinks/prometheus.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { ERRNO_LABELS } from '../../../exporter/names.js';
import { createLogger } from '../../../exporter/logger.js';
import { aClient, aDevice, aWorkload } from '../../helpers/events.js';

const wanted = Number(process.argv[2]);
const metrics = new ExporterMetrics({
  sources: ['watch_queue'],
  sinks: ['prometheus'],
  version: '1',
  revision: '',
  nodeVersion: process.version,
  maxWorkloads: wanted,
});
const sink = new PrometheusSink(metrics);
const devices = Array.from({ length: 8 }, (_, index) =>
  aDevice({ pciBdf: `0000:0${index}:00.0`, card: `card${index}` }),
);
for (const device of devices) metrics.devices.deviceDiscovered(device);

let count = await seriesCount();
for (let client = 0; count + ERRNO_LABELS.length <= wanted; client++, count += ERRNO_LABELS.length) {
  const workload = aWorkload({
    namespace: `team-${client % 20}`,
    pod: `training-job-${client}-7d4f9c8b6d-x2x${client % 10}z`,
  });
  sink.clientDiscovered(aClient({ drmClientId: client, device: devices[client % devices.length]!, workload }));
}

const app = createHttpServer({
  registry: metrics.registry,
  readiness: () => ({ ready: true, reason: '' }),
  status: () => Promise.reject(new Error('not measured')),
  devices: () => [],
  logger: createLogger({ level: 'error', format: 'json', stream: process.stderr }),
});
const url = await listenHttp(app, { host: '127.0.0.1', port: 0 });
process.send?.({ url, series: await seriesCount() });
process.on('disconnect', () => process.exit(0));

async function seriesCount(): Promise<number> {
  const lines = (await metrics.registry.render('text')).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).length;
}
