import { startExporter } from '../app/exporter.js';
import { COMMANDS } from '../config/schema.js';
import { EXIT } from '../errors.js';
import type { Command } from './command.js';
import { untilAborted } from './until-aborted.js';

/** The exporter itself, until SIGINT or SIGTERM. */
export const command: Command = {
  name: 'serve',
  summary: COMMANDS.serve,
  async run(context) {
    const exporter = await startExporter(context, false);
    await untilAborted(context.signal);
    await exporter.stop();
    return EXIT.ok;
  },
};
