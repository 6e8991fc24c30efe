/**
 * The exporter from pipe to counter, without its HTTP side, told by messages what to do. Everything is the real thing but the
 * attaching of watches: there is no GPU client to borrow from.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hrtime } from 'node:process';
import { text } from 'node:stream/consumers';
import type { NativeResult } from '../../../exporter/native/binding.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import { loadNative } from '../../../exporter/native/load.js';
import { Pipeline } from '../../../exporter/pipeline/pipeline.js';
import { PrometheusSink } from '../../../exporter/sinks/prometheus.js';
import type { WatchBatch } from '../../../exporter/sources/source.js';
import { WatchQueueSource } from '../../../exporter/sources/watch-queue/source.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { VM_ERR_BYTES } from '../../../exporter/wire/watch-notification.js';
import { aClient, aDevice, aWorkload } from '../../helpers/events.js';
import { waitFor } from '../../helpers/wait-for.js';
import type { FloodAnswer, Order, TimesAnswer } from '../notification-pipe.js';

/** As many as the writer knows; see writer.c. */
const CLIENTS = 200;
const PODS = 50;
/** The default of --reader-queue-bytes. */
const DEFAULT_QUEUE_BYTES = 4 << 20;

const addon = loadNative();

/** No client is there to borrow from: every attach succeeds. */
class Reader extends addon.Reader {
  override borrow(): Promise<NativeResult> {
    return Promise.resolve(undefined);
  }
}

const metrics = new ExporterMetrics({
  sources: ['watch_queue'],
  sinks: ['prometheus'],
  version: '',
  revision: '',
  nodeVersion: '',
});
const sink = new PrometheusSink(metrics);
const devices = [aDevice(), aDevice({ pciBdf: '0000:04:00.0', render: 'renderD129', renderMinor: 129 })];
const clients = new ClientTable(CLIENTS);
clients.subscribe(sink.clientListener);
const dropped = metrics.eventsDropped.cell('reader', '', 'queue_full');
const source = new WatchQueueSource({
  name: 'watch_queue',
  backend: 'linux',
  native: { Reader, minDrainBytes: addon.minDrainBytes },
  queueBytes: DEFAULT_QUEUE_BYTES,
  devices: { devices },
  clients,
  features: new FeatureBoard(),
  wanted: eventDefinitions,
  probe: () => Promise.resolve({ request: 1, state: 'active', reason: '', fix: '', retry: false }),
  accounting: {
    queuePeak: () => undefined,
    attachFailed: () => undefined,
    dropped: (_source, count) => dropped.inc(count),
    upChanged: () => undefined,
  },
});
clients.subscribe(source.clientListener);
const pipeline = new Pipeline(metrics, { counting: [sink] }, { instanceId: 'bench', includeProcess: true });

const counters = devices.flatMap((device) => {
  metrics.devices.deviceDiscovered(device);
  return metrics.devices.rebindErrors(device.pciBdf);
});
const counted = (): number => counters.reduce((sum, { value }) => sum + value, 0);

/** When each record was read and when it was counted; noted only where that is what is measured. */
const times: TimesAnswer = { readNs: [], countedNs: [] };
const noteTimes = process.argv[2] === 'times';
function handleAndNote(batch: WatchBatch): void {
  pipeline.handle(batch);
  const now = hrtime.bigint();
  for (let offset = batch.start; offset < batch.end; offset += VM_ERR_BYTES) {
    times.countedNs.push(String(now));
    times.readNs.push(String(batch.monotonicNs));
  }
}

await source.start(noteTimes ? handleAndNote : pipeline.handle);
await source.settled();
for (let id = 0; id < CLIENTS; id++) {
  const workload = aWorkload({ pod: `train-${id % PODS}` });
  const client = aClient({ drmClientId: id, device: devices[id % devices.length]!, workload });
  const { pid, startTime, executable: comm } = client.process;
  clients.add(client, [{ pid, startTime, comm, fd: 3, minor: client.device.renderMinor ?? 0 }]);
}
await waitFor(() => devices.every((device) => clients.counts(device).watched === CLIENTS / devices.length), {
  what: 'all watches',
});

process.on('message', (order: Order) => {
  if (order.what === 'times') process.send?.(times);
  else void flood(order).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => void source.stop().then(() => process.exit(0)));
process.send?.('ready');

/** Lets the writer flood our pipe and waits until every record it wrote is counted, here or as dropped. */
async function flood({ writer, args, window }: Extract<Order, { what: 'flood' }>): Promise<FloodAnswer> {
  const before = { counted: counted(), dropped: dropped.value, cpu: process.cpuUsage() };
  const child = spawn(writer, [...args, String(window)], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined); // It ends without waiting for its last credit.
  let newest = before.counted;
  let endNs = 0n;
  const sample = (): void => {
    const now = counted();
    if (now === newest) return;
    endNs = hrtime.bigint();
    if (window > 0) child.stdin.write(credit(now - newest));
    newest = now;
  };
  const sampling = setInterval(sample, 1);
  try {
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    const { records, beginNs } = JSON.parse(output) as { records: number; beginNs: string };
    const result = () => ({ counted: counted() - before.counted, dropped: dropped.value - before.dropped });
    await waitFor(() => result().counted + result().dropped === records, {
      what: `${records} records, got ${JSON.stringify(result())}`,
    });
    sample();
    const { user, system } = process.cpuUsage(before.cpu);
    return {
      written: records,
      ...result(),
      seconds: Number(endNs - BigInt(beginNs)) / 1e9,
      cpuSeconds: (user + system) / 1e6,
    };
  } finally {
    clearInterval(sampling);
  }
}

function credit(records: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(records));
  return bytes;
}
