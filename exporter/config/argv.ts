import { nearest } from './nearest.js';
import { quote, type Problem } from './problem.js';
import {
  COMMANDS,
  DEFAULT_COMMAND,
  OPTION_LIST,
  OPTIONS,
  type CommandName,
  type Option,
  type OptionKey,
} from './schema.js';

/** The command line, taken apart; values are not parsed yet. */
export interface Arguments {
  /** First word that is no flag, which need not be a command; without one the default, unless help or version is asked for. */
  readonly command: string | undefined;
  readonly help: boolean;
  readonly version: boolean;
  /** Texts as given, in order. */
  /** What follows "--" after `run`: the job and its arguments, as they are. */
  readonly operands: readonly string[];
  readonly values: ReadonlyMap<OptionKey, readonly string[]>;
  readonly problems: readonly Problem[];
}

interface Flag {
  readonly key: OptionKey;
  readonly option: Option;
  /** Text of the value when the flag stands alone; undefined = it takes the next word. */
  readonly alone: string | undefined;
}

const FLAGS: ReadonlyMap<string, Flag> = new Map(
  OPTION_LIST.flatMap(([key, option]): [string, Flag][] =>
    option.kind === 'switch'
      ? [
          [`--${option.flag}`, { key, option, alone: 'true' }],
          [`--no-${option.flag}`, { key, option, alone: 'false' }],
        ]
      : [[`--${option.flag}`, { key, option, alone: undefined }]],
  ),
);

/** True for the names of {@link COMMANDS}. */
export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}

/**
 * Reads `--flag=value`, `--flag value`, `--switch` and `--no-switch`, before and after the command. Never throws: what is
 * wrong is in `problems`.
 * @param argv without node and script.
 */
export function parseArguments(argv: readonly string[]): Arguments {
  const words: string[] = [];
  const operands: string[] = [];
  const values = new Map<OptionKey, string[]>();
  const unknown: string[] = [];
  const problems: Problem[] = [];
  let help = false;
  let version = false;

  const queue = [...argv];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const inline = equals < 0 ? undefined : word.slice(equals + 1);
    const flag = FLAGS.get(name);

    if (word === '--help' || word === '-h') help = true;
    else if (word === '--version') version = true;
    else if (word === '--') (words[0] === 'run' ? operands : words).push(...queue.splice(0));
    else if (!word.startsWith('-')) words.push(word);
    else if (flag === undefined || (flag.alone === 'false' && inline !== undefined)) {
      unknown.push(name);
      // The next word is most likely its value, and may be a secret: it is neither a command nor worth an error of its own.
      if (inline === undefined && startsNoFlag(queue[0]) && !isCommand(queue[0])) queue.shift();
    } else {
      const value = inline ?? flag.alone ?? (startsNoFlag(queue[0]) ? queue.shift() : undefined);
      if (value === undefined) problems.push(invalid(`${name} needs a value (${flag.option.unit})`));
      else values.set(flag.key, [...(values.get(flag.key) ?? []), value]);
    }
  }

  const [command = help || version ? undefined : DEFAULT_COMMAND, ...strays] = words;
  for (const name of unknown) problems.push({ code: 'XEE_UNKNOWN_FLAG', text: unknownFlag(name, command) });
  for (const key of values.keys()) {
    const option: Option = OPTIONS[key];
    if (command === undefined || !isCommand(command) || option.commands.includes(command)) continue;
    const text = `--${option.flag} is not a flag of ${command}, only of ${option.commands.join(' and ')}`;
    problems.push({ code: 'XEE_UNKNOWN_FLAG', text });
  }
  for (const stray of strays) problems.push(invalid(strayWord(stray)));
  return { command, help, version, operands, values, problems };
}

/** A word that can be the value of a flag before it; negative numbers can. */
function startsNoFlag(word: string | undefined): word is string {
  return word !== undefined && (!word.startsWith('-') || /^-\d/.test(word));
}

function unknownFlag(name: string, command: string | undefined): string {
  const candidates = [...FLAGS].flatMap(([flag, { option }]) =>
    command === undefined || !isCommand(command) || option.commands.includes(command) ? [flag] : [],
  );
  const negated = /^--no-(.*)$/.exec(name)?.[1];
  if (negated !== undefined && candidates.includes(name)) return `${quote(name)} takes no value: write --${negated}`;
  const near = name.startsWith('--') ? nearest(name, candidates) : undefined;
  // A short flag may have its value glued on.
  const shown = name.startsWith('--') ? name : name.slice(0, 2);
  return `${quote(shown)} is not a flag${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function strayWord(word: string): string {
  const hint = /^(true|false)$/i.test(word) ? '; a switch is written --switch, --no-switch or --switch=false' : '';
  return `${quote(word)} is one word too many${hint}`;
}

function invalid(text: string): Problem {
  return { code: 'XEE_CONFIG_INVALID', text };
}
