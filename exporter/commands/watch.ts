import { randomUUID } from 'node:crypto';
import { COMMANDS } from '../config/schema.js';
import { codedError, EXIT } from '../errors.js';
import { loadNative } from '../native/load.js';
import { watchThisNode, type NodeWatch } from '../node-watch.js';
import { Pipeline } from '../pipeline.js';
import { TerminalSink } from '../sinks/terminal.js';
import { ExporterMetrics } from '../telemetry/exporter-metrics.js';
import { FeatureBoard } from '../telemetry/features.js';
import type { Command } from './command.js';
import { untilAborted } from './until-aborted.js';

/** Follows events in the terminal: a listener of its own, beside a running exporter or the application's. */
export const command: Command = {
  name: 'watch',
  summary: COMMANDS.watch,
  async run(context) {
    const { config, logger, stdout, stderr, version, nodeVersion } = context;
    const features = new FeatureBoard();
    const enough = new AbortController();
    let shown = 0;
    const sink = new TerminalSink({
      json: config.json,
      instanceId: randomUUID(),
      includeProcess: true,
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
      sources: ['watch_queue'],
      sinks: ['terminal'],
      version,
      revision: '',
      nodeVersion,
      processMetrics: false,
    });
    const pipeline = new Pipeline(metrics, [sink]);
    const node = await watchThisNode({ config, env: context.env, native: loadNative(), features, metrics, logger });
    try {
      await node.start(pipeline.handle);
      await node.watchQueue.probed();
      refuseIfBlind(node, features);
      stderr.write(introduction(node));
      await untilAborted(AbortSignal.any([context.signal, enough.signal]));
    } finally {
      await node.stop();
      await pipeline.close(config.shutdownTimeout);
    }
    return EXIT.ok;
  },
};

/** Following nothing for ever would look like a quiet node. */
function refuseIfBlind(node: NodeWatch, features: FeatureBoard): void {
  if (node.watchQueue.up) return;
  const report = features.all().find(({ feature }) => feature === 'watch_queue');
  const details = { seen: report?.reason ?? 'unknown', fix: report?.fix ?? '' };
  throw codedError(report?.state === 'denied' ? 'XEE_ATTACH_DENIED' : 'XEE_WATCH_QUEUE_UNSUPPORTED', details);
}

function introduction({ devices }: NodeWatch): string {
  const addresses = devices.devices.map(({ pciBdf }) => pciBdf);
  if (addresses.length === 0) return 'No xe device on this node; waiting for one. Ctrl-C stops.\n';
  return `Watching ${addresses.join(', ')}. Ctrl-C stops.\n`;
}
