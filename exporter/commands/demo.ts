import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startExporter } from '../app/exporter.js';
import { COMMANDS, type Config, type DemoKernel } from '../config/schema.js';
import { EXIT } from '../errors.js';
import type { Logger } from '../logger.js';
import { JOBS_PATH, METRIC, PATH } from '../names.js';
import { makeDemoFolder } from '../simulator/demo-folder.js';
import { ASKING_WORKLOAD } from '../simulator/simulated-node.js';
import type { Command } from './command.js';
import { untilAborted } from './until-aborted.js';

/** The whole exporter on a made-up node, until SIGINT or SIGTERM. */
export const command: Command = {
  name: 'demo',
  summary: COMMANDS.demo,
  async run(context) {
    const folder = folderForSocket();
    try {
      const jobsSocket = context.config.jobsSocket ?? (folder && join(folder, 'jobs.sock'));
      const config = { ...context.config, jobsSocket };
      const exporter = await startExporter({ ...context, config, logger: quiet(context.logger) }, true);
      if (!config.eventsStdout) context.stdout.write(introduction(exporter.url, config));
      await untilAborted(context.signal);
      await exporter.stop();
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
    return EXIT.ok;
  },
};

/** Shows only the introduction by default; the log is there with --log-level=debug. */
function quiet(logger: Logger): Logger {
  return {
    fatal: (fields, message) => logger.fatal(fields, message),
    error: (fields, message) => logger.error(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    info: (fields, message) => logger.debug(fields, message),
    debug: (fields, message) => logger.debug(fields, message),
  };
}

const ASKING_POD = `${ASKING_WORKLOAD.namespace}/${ASKING_WORKLOAD.pod}`;

const KERNEL: Readonly<Record<DemoKernel, string>> = {
  watch_queue:
    'Its kernel has the xe watch-queue series, which names each victim. With --demo-kernel=stock it is one as distributions ship it.',
  stock:
    "Its kernel is a stock one, without the watch queue: the kernel log has each error, and the driver's trace names the victim.",
};

function forJobs(socket: string): string[] {
  return [
    `What the job of one pod, ${ASKING_POD}, is told of itself: curl -N --unix-socket ${socket} http://localhost${JOBS_PATH.events}`,
    `  (no pod of this node is real, so whoever asks is taken for that one; why it ended last: http://localhost${JOBS_PATH.last})`,
  ];
}

function folderForSocket(): string | undefined {
  try {
    return makeDemoFolder();
  } catch {
    return undefined;
  }
}

function introduction(url: string, { demoKernel, demoWedgeEvery, jobsSocket }: Config): string {
  return [
    'Simulating a GPU node: 2 Intel GPUs, 6 pods, and a GPU out-of-memory error about every second. Press Ctrl-C to stop.',
    KERNEL[demoKernel],
    demoWedgeEvery > 0
      ? 'Now and then a job hangs, and the driver gives up on GPU 0000:04:00.0 (wedged) until it is bound again.'
      : 'Now and then a job hangs. With --demo-wedge-every=2m the driver also gives up on a GPU (wedged) and binds it again.',
    `Status page: ${url}${PATH.landing}  (or stream events in a terminal: curl -N ${url}${PATH.events})`,
    `Metrics: ${url}${PATH.metrics}  (try: curl -s ${url}${PATH.metrics} | grep ${METRIC.clientVmRebindErrors})`,
    ...(jobsSocket === undefined ? [] : forJobs(jobsSocket)),
    'Jobs run out of memory and exit, but for pod team-vision/video-analytics, which hears of it, shrinks and survives.',
    '',
  ].join('\n');
}
