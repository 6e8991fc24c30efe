import { randomUUID } from 'node:crypto';
import { COMMANDS } from '../config/schema.js';
import { codedError, EXIT } from '../errors.js';
import { buildFlow, type Flow } from '../app/flow.js';
import { modeLine } from '../app/mode.js';
import { realNode } from '../app/real-node.js';
import { loadNative } from '../native/load.js';
import { TerminalSink } from '../sinks/terminal.js';
import { ExporterMetrics } from '../metrics/exporter-metrics.js';
import { FeatureBoard } from '../features.js';
import type { Command } from './command.js';
import { untilAborted } from './until-aborted.js';

/** Follows events in the terminal: a listener of its own, beside a running exporter or the application's. */
export const command: Command = {
  name: 'watch',
  summary: COMMANDS.watch,
  async run(context) {
    const { logger, stdout, stderr, version, nodeVersion } = context;
    // Memory is not shown here, and sampling it needs the GPU awake.
    const config = { ...context.config, memoryInterval: 0 };
    const features = new FeatureBoard();
    const node = realNode({ ...context, config }, loadNative(), features);
    const enough = new AbortController();
    let shown = 0;
    const identity = { instanceId: randomUUID(), includeProcess: true };
    const sink = new TerminalSink({
      json: config.json,
      ...identity,
      filter: config,
      write: (line) => stdout.write(line),
      onShown: () => {
        if (++shown !== config.count) return;
        enough.abort();
        // At once: the same batch may hold more events.
        void sink.close();
      },
    });
    const metrics = new ExporterMetrics({
      sources: node.sources.map(({ name }) => name),
      sinks: ['terminal'],
      version,
      revision: '',
      nodeVersion,
      processMetrics: false,
    });
    const flow = await buildFlow({ node, metrics, features, logger, sinks: { events: [sink] }, ...identity });
    try {
      await flow.start();
      await Promise.all(flow.sources.map((source) => source.settled()));
      refuseIfBlind(flow, features);
      stderr.write(introduction(flow, features));
      await untilAborted(AbortSignal.any([context.signal, enough.signal]));
    } finally {
      await flow.stop(config.shutdownTimeout);
    }
    return EXIT.ok;
  },
};

/** Without a source, waiting forever would look like a quiet node. */
function refuseIfBlind({ sources }: Flow, features: FeatureBoard): void {
  if (sources.some(({ up }) => up)) return;
  const refusals = features.all().filter(({ feature }) => sources.some(({ name }) => name === feature));
  throw codedError('XEE_NO_EVENT_SOURCE', {
    seen: refusals.map(({ feature, reason }) => `${feature}: ${reason}`).join('; '),
    fix: refusals.map(({ fix }) => (fix === '' ? '' : `${fix} `)).join(''),
  });
}

/** What is followed on this node, in one line. */
function introduction({ devices: { devices } }: Flow, features: FeatureBoard): string {
  const line = modeLine(features.all(), devices.length);
  const addresses = devices.map(({ pciBdf }) => pciBdf).join(', ');
  return addresses === ''
    ? `Watching: ${line}. Press Ctrl-C to stop.\n`
    : `Watching ${addresses}: ${line}. Press Ctrl-C to stop.\n`;
}
