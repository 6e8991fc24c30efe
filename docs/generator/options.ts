import { COMMANDS, environmentName, OPTION_LIST, type CommandName } from '../../exporter/config/schema.js';
import { EXIT } from '../../exporter/errors.js';
import { markdownTable } from './markdown.js';

/** docs/options.md: every command and option, from the table that also drives `--help`. */
export function optionReference(): string {
  return `# Options

A flag wins over its environment variable, and the variable over the YAML file given with \`--config\`. The file uses the keys in the
third column. A switch such as \`--client-memory\` is turned off with \`--no-client-memory\`. \`xe-exporter <command> --help\` prints the
same text. The Helm chart has [a value for each option](../helm/xe-exporter/README.md#values).

## Commands

${commandTable()}

## All options

${optionTable()}

## Signals and exit codes

\`SIGTERM\` and \`SIGINT\` drain the queues and exit within \`--shutdown-timeout\`; a second signal exits at once. \`SIGHUP\` rereads
the configuration and applies \`--events\` without a restart.

| Exit code | Meaning |
| --- | --- |
| ${EXIT.ok} | success |
| ${EXIT.failure} | run-time failure |
| ${EXIT.usage} | wrong usage or invalid configuration |
| 0, 1, 2 | \`health\`: [fit, unfit, unknown](health.md) |
| ${EXIT.degraded} | \`doctor\`: a feature you asked for does not work here |

\`run\` passes signals on to the job and ends as the job ends, with its exit code or of its signal. It ends with ${EXIT.jobNotExecutable} or ${EXIT.jobNotFound} when the job
cannot be started: [docs/jobs.md](jobs.md).
`;
}

function commandTable(): string {
  return markdownTable([
    ['Command', 'What it does'],
    ...Object.entries(COMMANDS).map(([name, summary]) => [`\`${name}\``, summary]),
  ]);
}

function optionTable(): string {
  const rows = OPTION_LIST.map(([key, option]) => [
    option.kind === 'switch' ? `\`--${option.flag}\`` : `\`--${option.flag}=<${option.unit}>\``,
    `\`${environmentName(option.flag)}\``,
    option.notInFile ? '' : `\`${key}\``,
    option.default === undefined ? '' : `\`${option.default}\``,
    commandsOf(option.commands),
    option.help,
  ]);
  return markdownTable([['Flag', 'Variable', 'File key', 'Default', 'Commands', 'What it does'], ...rows]);
}

function commandsOf(commands: readonly CommandName[]): string {
  return commands.length === Object.keys(COMMANDS).length ? 'all' : commands.join(', ');
}
