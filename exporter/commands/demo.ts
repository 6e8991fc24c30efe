import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startExporter } from '../app/exporter.js';
import { COMMANDS, type Config, type DemoKernel } from '../config/schema.js';
import { EXIT } from '../errors.js';
import type { Workload } from '../clients/client.js';
import type { Logger } from '../logger.js';
import { JOBS_PATH, METRIC, PATH } from '../names.js';
import { makeDemoFolder } from '../simulator/demo-folder.js';
import { ASKING_WORKLOAD, LISTENING_WORKLOAD } from '../simulator/simulated-node.js';
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

const ASKING_POD = podName(ASKING_WORKLOAD);
const LISTENING_POD = podName(LISTENING_WORKLOAD);

const KERNEL: Readonly<Record<DemoKernel, string>> = {
  watch_queue:
    'The kernel has the xe watch queue, which names each victim. Try --demo-kernel=stock for one without it.',
  stock: "The kernel has no xe watch queue, as distributions ship it: the driver's trace names each victim.",
};

function wedges(demoWedgeEvery: number): string {
  return demoWedgeEvery > 0
    ? 'Now and then GPU 0000:04:00.0 is wedged: it rejects all work until the driver is bound again.'
    : 'Try --demo-wedge-every=2m to see a GPU that rejects all work and is recovered.';
}

function podName({ namespace, pod }: Pick<Workload, 'namespace' | 'pod'>): string {
  return `${namespace}/${pod}`;
}

function jobs(jobsSocket: string | undefined): readonly string[] {
  const exits = 'About once a second a job runs out of GPU memory and exits.';
  if (jobsSocket === undefined) return [exits];
  return [
    `${exits} Only ${LISTENING_POD} follows its own events`,
    `on the jobs' socket: told that it ran out, it goes on with less and survives. You are taken for ${ASKING_POD} there.`,
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
    'Simulating a node with 2 Intel GPUs and 6 pods. Press Ctrl-C to stop.',
    '',
    `  Open this first:       ${url}${PATH.landing}`,
    `  Events as they happen: curl -N ${url}${PATH.events}`,
    `  Errors by pod:         curl -s ${url}${PATH.metrics} | grep ${METRIC.clientVmRebindErrors}`,
    ...(jobsSocket === undefined
      ? []
      : [
          `  What one job hears:    curl -N --unix-socket ${jobsSocket} http://localhost${JOBS_PATH.events}`,
          `  Why it last ended:     curl -s --unix-socket ${jobsSocket} http://localhost${JOBS_PATH.last}`,
        ]),
    '',
    ...jobs(jobsSocket),
    `Now and then a job hangs. ${wedges(demoWedgeEvery)}`,
    KERNEL[demoKernel],
    '',
  ].join('\n');
}
