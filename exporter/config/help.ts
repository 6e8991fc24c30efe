import { EXIT } from '../errors.js';
import {
  COMMANDS,
  DEFAULT_COMMAND,
  environmentName,
  OPTION_LIST,
  type CommandName,
  type Option,
  type OptionKey,
} from './schema.js';

const WIDTH = 96;

const VARIABLES_AND_FILE =
  `Every flag has a variable (${environmentName('log-level')} for --log-level) and a key in the file given with --config. ` +
  'Flags win over variables, variables over the file.';
const VARIABLES_ONLY =
  `Every flag has a variable (${environmentName('on-oom')} for --on-oom), and flags win. The exit code is that of the job; ` +
  `${EXIT.jobNotExecutable} and ${EXIT.jobNotFound} mean that it could not be started.`;

/** What `xe-exporter --help` prints. */
export function programHelp(version: string): string {
  const commands = Object.entries(COMMANDS).map(([name, summary]) => `  ${name.padEnd(8)}${wrap(summary, 10)}`);
  return `xe-exporter ${version}: metrics and log events for what happens to Intel xe GPUs.

Usage: xe-exporter [command] [flags]

Commands (${DEFAULT_COMMAND} when none is named):
${commands.join('\n')}

  -h, --help     Print this, or the flags of a command: xe-exporter <command> --help
      --version  Print the version.

Exit codes: ${EXIT.ok} ok, ${EXIT.failure} run-time failure, ${EXIT.usage} wrong usage or configuration, ${EXIT.degraded} doctor: something wanted does not work.
`;
}

/** What `xe-exporter <command> --help` prints. */
export function commandHelp(command: CommandName): string {
  const options = OPTION_LIST.filter(([, option]) => option.commands.includes(command));
  return `Usage: xe-exporter ${command} [flags]${command === 'run' ? ' -- COMMAND [ARGUMENTS]' : ''}

${wrap(COMMANDS[command], 0)}

Flags:
${options.map(([key, option]) => optionHelp(key, option, command !== 'run')).join('\n')}
${wrap(command === 'run' ? VARIABLES_ONLY : VARIABLES_AND_FILE, 0)}
`;
}

function optionHelp(key: OptionKey, option: Option, hasFile: boolean): string {
  const flag = option.kind === 'switch' ? `--${option.flag}, --no-${option.flag}` : `--${option.flag} <${option.unit}>`;
  const notes = [
    ...(option.default === undefined ? [] : [`Default: ${option.default}.`]),
    ...(option.notInFile || !hasFile ? [] : [`Key: ${key}.`]),
  ];
  return `  ${flag}\n      ${wrap([option.help, ...notes].join(' '), 6)}\n`;
}

/** Breaks a text at spaces, all lines but the first indented. */
function wrap(text: string, indent: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}
