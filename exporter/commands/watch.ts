import { randomUUID } from 'node:crypto';
import { COMMANDS } from '../config/schema.js';
import { codedError, EXIT } from '../errors.js';
import { modeLine } from '../app/mode.js';
import { loadNative } from '../native/load.js';
import { wantedSources, watchThisNode, type NodeWatch } from '../app/node-watch.js';
import { Pipeline } from '../pipeline/pipeline.js';
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
    // Nobody would see what was sampled, and a GPU has to be awake for it.
    const config = { ...context.config, memoryInterval: 0 };
    const features = new FeatureBoard();
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
        // At once: more events may stand in the same batch.
        void sink.close();
      },
    });
    const metrics = new ExporterMetrics({
      sources: wantedSources(config.mode, false),
      sinks: ['terminal'],
      version,
      revision: '',
      nodeVersion,
      processMetrics: false,
    });
    const pipeline = new Pipeline(metrics, { events: [sink] }, identity);
    const node = await watchThisNode({
      config,
      env: context.env,
      native: loadNative(),
      features,
      metrics,
      logger,
      listeners: pipeline.clientListeners,
      onDeviceAdded: (device) => pipeline.deviceAdded(device),
      onDeviceRemoved: (device) => pipeline.deviceRemoved(device),
      onSourceChanged: pipeline.sourceChanged,
    });
    try {
      await node.start(pipeline.handle);
      await node.watchQueue.probed();
      refuseIfBlind(node, features);
      stderr.write(introduction(node, features));
      await untilAborted(AbortSignal.any([context.signal, enough.signal]));
    } finally {
      await node.stop();
      await pipeline.close(config.shutdownTimeout);
    }
    return EXIT.ok;
  },
};

/** Following nothing for ever would look like a quiet node. */
function refuseIfBlind({ sources }: NodeWatch, features: FeatureBoard): void {
  if (sources.some(({ up }) => up)) return;
  const refusals = features.all().filter(({ feature }) => sources.some(({ name }) => name === feature));
  throw codedError('XEE_NO_EVENT_SOURCE', {
    seen: refusals.map(({ feature, reason }) => `${feature}: ${reason}`).join('; '),
    fix: refusals.map(({ fix }) => (fix === '' ? '' : `${fix} `)).join(''),
  });
}

/** What is followed on this node, in one line. */
function introduction({ devices: { devices } }: NodeWatch, features: FeatureBoard): string {
  const line = modeLine(features.all(), devices.length);
  const addresses = devices.map(({ pciBdf }) => pciBdf).join(', ');
  return addresses === '' ? `Watching: ${line}. Ctrl-C stops.\n` : `Watching ${addresses}: ${line}. Ctrl-C stops.\n`;
}
