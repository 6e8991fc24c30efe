import { setImmediate as nextTurn } from 'node:timers/promises';
import { EVENT, EVENT_METRIC } from '../../exporter/events/index.js';
import { METRIC } from '../../exporter/names.js';
import type { LogRecord } from '../../exporter/pipeline/log/log-record.js';
import type { MessageSourceUnderTest } from '../helpers/message-source.js';
import { HUNG, OTHER, stormyNode } from '../helpers/stormy-node.js';
import type { Measurement, Scope } from './measurement.js';

const LINES_PER_SECOND = 100_000;
const WARM_UP_SECONDS = 5;
const STORM_SECONDS = 60;
const RESET = 'GT1: trying reset from guc_exec_queue_timedout_job [xe]';

/** A GPU that repeats one line of the kernel log for a minute, through the real reader thread, beside as many lines of another driver. */
export const kernelLogStorm: Measurement = {
  name: 'kernel-log-storm',
  title: `${LINES_PER_SECOND.toLocaleString('en')} equal reset lines a second for ${STORM_SECONDS} seconds`,
  deadlineSeconds: 4 * STORM_SECONDS,
  async run(scope) {
    const node = await aNode(scope);
    const alone = await feed(node, WARM_UP_SECONDS, 'nvme nvme0', 'GT1: what another driver repeats, as long as that');
    await feed(node, WARM_UP_SECONDS, `xe ${HUNG}`, RESET);
    const rss = process.memoryUsage.rss();
    const [storm, foundMs] = await Promise.all([
      feed(node, STORM_SECONDS, `xe ${HUNG}`, RESET),
      timeToCount(node, (STORM_SECONDS * 1000) / 2),
    ]);
    const grownMiB = (process.memoryUsage.rss() - rss) / 2 ** 20;
    const told = node.records.filter(({ eventName }) => eventName === EVENT.gtResetAttempt).length;
    const counted = (await node.series()).get(`${EVENT_METRIC.gtResetAttempt}{pci_bdf="${HUNG}"}`) ?? 0;
    const missing = node.posted - counted - node.under.dropped;
    if (missing !== 0) throw new Error(`${missing} lines are neither counted nor counted as dropped`);
    return {
      columns: ['lines', 'a second', 'CPU of one core', 'CPU a line, ratio'],
      rows: [
        ['of another driver, thrown away by the reader', alone.rate, alone.cpu, 1],
        ['of a GPU that hangs', storm.rate, storm.cpu, storm.cpuOfLine / alone.cpuOfLine],
      ],
      notes: [
        'The posting is in both. CPU of one core is CPU time divided by time.',
        `${node.posted} lines of the storm: ${told} log events, ${node.under.dropped} lines dropped and counted; resident memory ${grownMiB.toFixed(1)} MiB more after it.`,
        `The rebind error of another GPU in the middle of it was on /metrics after ${foundMs.toFixed(0)} ms.`,
      ],
    };
  },
};

interface Node {
  readonly under: MessageSourceUnderTest;
  readonly records: LogRecord[];
  readonly series: () => Promise<Map<string, number>>;
  /** Lines of the GPU that hangs. */
  posted: number;
  sequence: number;
}

async function aNode(scope: Scope): Promise<Node> {
  const after = { after: (close: () => unknown) => scope.onClose(async () => void (await close())) };
  const { under, run, records, series } = await stormyNode(after);
  scope.onClose(() => run.stop());
  return { under, records, series, posted: 0, sequence: 0 };
}

/** Posts lines at the rate, or as many as there is time for. */
async function feed(node: Node, seconds: number, speaker: string, text: string) {
  const begin = performance.now();
  const before = process.cpuUsage();
  let lines = 0;
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - begin) {
    const due = Math.floor((elapsed / 1000) * LINES_PER_SECOND);
    while (lines < due && node.under.reader.post(line(node, speaker, text))) lines++;
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(before);
  const took = (performance.now() - begin) / 1000;
  if (speaker.startsWith('xe')) {
    node.posted += lines;
    await untilRead(node);
  }
  const cpuSeconds = (user + system) / 1e6;
  return { rate: lines / took, cpu: cpuSeconds / took, cpuOfLine: cpuSeconds / lines };
}

/** The reader and its queue are empty when as much has been counted as was posted. */
async function untilRead(node: Node): Promise<void> {
  for (;;) {
    const counted = (await node.series()).get(`${EVENT_METRIC.gtResetAttempt}{pci_bdf="${HUNG}"}`) ?? 0;
    if (counted + node.under.dropped >= node.posted) return;
    await nextTurn();
  }
}

/** Milliseconds from the rebind error of the other GPU to its count on /metrics. */
async function timeToCount(node: Node, afterMs: number): Promise<number> {
  const start = performance.now() + afterMs;
  while (performance.now() < start) await nextTurn();
  while (!node.under.reader.post(line(node, `xe ${OTHER}`, 'VM worker error: -12', OTHER))) await nextTurn();
  const posted = performance.now();
  for (;;) {
    const errors = (await node.series()).get(`${METRIC.vmRebindErrors}{pci_bdf="${OTHER}",errno="ENOMEM"}`) ?? 0;
    if (errors > 0) return performance.now() - posted;
    await nextTurn();
  }
}

function line(node: Node, speaker: string, text: string, pciBdf = HUNG): Buffer {
  const stamp = speaker.startsWith('xe') ? `\n SUBSYSTEM=pci\n DEVICE=+pci:${pciBdf}` : '';
  return Buffer.from(`6,${++node.sequence},1000000,-;${speaker}: [drm] ${text}${stamp}\n`);
}
