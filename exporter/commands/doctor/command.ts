import { explainPrivileges } from '../../privileges/explain.js';
import { PRIVILEGES } from '../../privileges/table.js';
import { COMMANDS } from '../../config/schema.js';
import { EXIT } from '../../errors.js';
import type { CommandContext } from '../../app/context.js';
import type { Command } from '../command.js';
import { gatherFacts } from './facts.js';
import { formatReport, makeReport } from './report.js';

/** Tells what works on this node and how to mend the rest. Exit code 3 when something wanted does not work. */
export const command: Command = {
  name: 'doctor',
  summary: COMMANDS.doctor,
  run: async (context) => {
    if (context.config.explainPrivileges) {
      context.stdout.write(context.config.json ? `${JSON.stringify(PRIVILEGES, null, 2)}\n` : explainPrivileges());
      return EXIT.ok;
    }
    const report = makeReport(await gatherFacts(context), context.version);
    const text = context.config.json
      ? `${JSON.stringify(report, null, 2)}\n`
      : formatReport(report, wantsColours(context));
    context.stdout.write(text);
    return report.status === 'degraded' ? EXIT.degraded : EXIT.ok;
  },
};

function wantsColours({ stdout, env }: CommandContext): boolean {
  return stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
