import type { Arguments } from './argv.js';
import type { FileValues } from './file.js';
import { problemsError, quote, type Problem } from './problem.js';
import { environmentName, OPTION_LIST, type CommandName, type Config, type Option, type OptionKey } from './schema.js';

/** The variables of a process; only `XE_EXPORTER_*` are looked at. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the texts of one option come from, and how to call it in an error. */
interface Given {
  readonly texts: readonly string[];
  readonly label: string;
}

/**
 * Makes the configuration of one run: flags over variables over the file over defaults, everything checked.
 *
 * Variables and flags of other commands do not count. An empty variable counts as not set. Unknown `XE_EXPORTER_*` variables
 * are left alone: Kubernetes sets XE_EXPORTER_PORT and its like for a Service named xe-exporter.
 *
 * @param readFile reads the configuration file; injectable for tests.
 * @throws CodedError with every problem there is, never another error.
 */
export async function loadConfig(
  command: CommandName,
  args: Arguments,
  env: Environment,
  readFile?: (path: string) => string,
): Promise<Config> {
  const problems: Problem[] = [...args.problems];
  const outside = (key: OptionKey, option: Option): Given | undefined =>
    fromFlags(args, key, option) ?? (option.commands.includes(command) ? fromEnvironment(env, option) : undefined);

  const values: Record<string, unknown> = {};
  let file: FileValues = new Map();
  for (const [key, option] of OPTION_LIST) {
    const given = outside(key, option) ?? fromFile(file, key) ?? fromDefault(option);
    values[key] = parse(option, given, problems);
    // The table begins with this option, so that the file is known to the others.
    if (key === 'configFile' && typeof values[key] === 'string') file = await open(values[key], readFile, problems);
  }
  checkShadowed(file, outside, problems);
  if (problems.length > 0) throw problemsError(problems, command);
  return deepFreeze(values) as unknown as Config;
}

function fromFlags(args: Arguments, key: OptionKey, option: Option): Given | undefined {
  const texts = args.values.get(key);
  return texts && { texts, label: `--${option.flag}` };
}

/** A list is separated by commas. */
function fromEnvironment(env: Environment, option: Option): Given | undefined {
  const label = environmentName(option.flag);
  const text = env[label]?.trim() ?? '';
  if (text === '') return undefined;
  return { texts: option.kind === 'list' ? text.split(',').map((part) => part.trim()) : [text], label };
}

function fromFile(file: FileValues, key: OptionKey): Given | undefined {
  const texts = file.get(key);
  return texts && { texts, label: `${key} in the configuration file` };
}

function fromDefault(option: Option): Given {
  return { texts: option.default === undefined ? [] : [option.default], label: 'default' };
}

/** Every text of a list, the last text of anything else. */
function parse(option: Option, given: Given, problems: Problem[]): unknown {
  const texts = option.kind === 'list' ? given.texts : given.texts.slice(-1);
  const values = texts.map((text) => {
    const parsed = option.parse(text);
    if ('value' in parsed) return parsed.value;
    const shown = option.sensitive ? '(value not shown)' : quote(text);
    problems.push({ code: 'XEE_CONFIG_INVALID', text: `${given.label} ${shown} ${parsed.problem}` });
    return undefined;
  });
  return option.kind === 'list' ? values : values[0];
}

async function open(
  path: string,
  readFile: ((path: string) => string) | undefined,
  problems: Problem[],
): Promise<FileValues> {
  // Loaded here, so that a run without a file pays neither for this nor for the YAML parser.
  const { readSmallFile } = await import('./text-file.js');
  const { readConfigFile } = await import('./file.js');
  let text: string;
  try {
    text = readFile === undefined ? readSmallFile(path).toString('utf8') : readFile(path);
  } catch (error) {
    const { code, message: why } = error as NodeJS.ErrnoException;
    problems.push({
      code: 'XEE_CONFIG_FILE_UNREADABLE',
      text: `cannot read the configuration file ${quote(path)}: ${code ?? why}`,
    });
    return new Map();
  }
  const read = readConfigFile(text);
  problems.push(
    ...read.problems.map(({ code, text: what }) => ({ code, text: `configuration file ${quote(path)}: ${what}` })),
  );
  return read.values;
}

/** A wrong value in the file is wrong also while a flag or variable hides it. */
function checkShadowed(
  file: FileValues,
  outside: (key: OptionKey, option: Option) => Given | undefined,
  problems: Problem[],
): void {
  for (const [key, option] of OPTION_LIST) {
    const hidden = fromFile(file, key);
    if (hidden !== undefined && outside(key, option) !== undefined) parse(option, hidden, problems);
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
