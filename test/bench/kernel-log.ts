import { hrtime } from 'node:process';
import { ExporterMetrics } from '../../exporter/metrics/exporter-metrics.js';
import { Pipeline } from '../../exporter/pipeline/pipeline.js';
import { PrometheusSink } from '../../exporter/sinks/prometheus.js';
import { deliverLine } from '../../exporter/sources/kernel-log/deliver-line.js';
import { parseKmsgRecord } from '../../exporter/wire/kernel-log.js';
import { aDevice } from '../helpers/events.js';
import type { Measurement } from './measurement.js';
import { median } from './statistics.js';

const ROUNDS = 7;
const LINES = 20_000;
const BDF = '0000:03:00.0';

/** What takes the bytes of one record of /dev/kmsg. */
type Take = (record: Buffer) => void;

/** What the driver can say, given the number of the line. */
const SAID: readonly (readonly [title: string, text: (line: number) => string])[] = [
  ['one line again and again', () => '6;GT1: trying reset from guc_exec_queue_timedout_job [xe]'],
  ['of no interest, each another', (line) => `6;Tile0: GT0: ccs0 fused off ${line}`],
  ['rebind errors', () => '4;VM worker error: -12'],
  ['errors, each another', (line) => `3;*ERROR* Tile0: GT0: unexpected response ${line}`],
];

/** What one line of the kernel log costs from its bytes to the counters, beside a script that looks for one expression in it. */
export const kernelLog: Measurement = {
  name: 'kernel-log',
  title: 'A line of the kernel log, bytes to counter',
  deadlineSeconds: 60,
  async run() {
    const exporter = anExporter();
    const rows = SAID.map(([title, text]) => {
      const records = recordsOf(text);
      const scripts: number[] = [];
      const lines: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        scripts.push(cpuNs(records(), script));
        lines.push(cpuNs(records(), exporter.take));
      }
      const ratios = lines.map((line, round) => line / scripts[round]!);
      return [title, median(scripts), median(lines), median(ratios)];
    });
    await exporter.close();
    return {
      columns: ['lines', 'script, CPU ns', 'exporter, CPU ns', 'ratio'],
      rows,
      notes: [`Medians of ${ROUNDS} rounds of ${LINES} lines, taken in turn.`],
    };
  },
};

/** As a watchdog does that somebody has written at home. */
const script: Take = (record) => {
  if (/GT\d: reset done|Engine reset|Fault response|VM worker error/.test(record.toString('utf8'))) found++;
};
let found = 0;

function anExporter(): { readonly take: Take; close(): Promise<void> } {
  const metrics = new ExporterMetrics({
    sources: ['kmsg'],
    sinks: ['prometheus', 'stdout'],
    version: '',
    revision: '',
    nodeVersion: '',
    processMetrics: false,
  });
  const device = aDevice({ pciBdf: BDF });
  metrics.devices.deviceDiscovered(device);
  const log = { name: 'stdout', accept: () => undefined, close: async () => {} } as const;
  const sinks = { counting: [new PrometheusSink(metrics)], logs: [log] };
  const pipeline = new Pipeline(metrics, sinks, { instanceId: 'bench', includeProcess: true, logsPerMinute: 60 });
  pipeline.sourceUp('kmsg', true);
  pipeline.deviceAdded(device);
  const devices = { at: () => device, named: () => device };
  return {
    take(record) {
      const time = { realtimeNs: 1_769_860_800_000_000_000n, monotonicNs: hrtime.bigint() };
      deliverLine(parseKmsgRecord(record.toString('utf8')), time, devices, pipeline.handle);
    },
    close: () => pipeline.close(0),
  };
}

/** Makes the records of a round; their numbers go on from round to round. */
function recordsOf(text: (line: number) => string): () => readonly Buffer[] {
  let sequence = 0;
  return () =>
    Array.from({ length: LINES }, () => {
      const [level, said] = text(++sequence).split(';');
      const micros = hrtime.bigint() / 1000n;
      return Buffer.from(
        `${level},${sequence},${micros},-;xe ${BDF}: [drm] ${said}\n SUBSYSTEM=pci\n DEVICE=+pci:${BDF}\n`,
      );
    });
}

/** CPU time of one line, nanoseconds. */
function cpuNs(records: readonly Buffer[], take: Take): number {
  const before = process.cpuUsage();
  for (const record of records) take(record);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / records.length;
}
