import { nearest } from './nearest.js';
import { quote, type Problem } from './problem.js';
import { OPTION_LIST, OPTIONS, type Option, type OptionKey } from './schema.js';
import { parseYaml } from './yaml.js';

/** The texts of one option in a configuration file. */
export type FileValues = ReadonlyMap<OptionKey, readonly string[]>;

const KEYS = OPTION_LIST.filter(([, option]) => option.notInFile !== true).map(([key]) => key);

/**
 * Reads the YAML text of a configuration file: one mapping from option key to scalar, or to a list for options that may be
 * repeated. Scalars are taken as text (`0x0f` stays `0x0f`), so that a value means the same here and on the command line.
 * Never throws. Problems name keys and positions, never values: a file may hold secrets.
 */
export function readConfigFile(text: string): { readonly values: FileValues; readonly problems: readonly Problem[] } {
  const values = new Map<OptionKey, readonly string[]>();
  const parsed = parseYaml(text);
  if ('faults' in parsed) return { values, problems: parsed.faults.map(invalid) };
  const { content } = parsed;
  // An empty file, or one with comments only.
  if (content === null || content === '') return { values, problems: [] };
  if (typeof content !== 'object' || Array.isArray(content)) {
    return { values, problems: [invalid('it is not a mapping from option key to value')] };
  }

  const problems: Problem[] = [];
  for (const [key, value] of Object.entries(content)) {
    if (!isFileKey(key)) problems.push(invalid(unknownKey(key)));
    else {
      const texts = textsOf(value, OPTIONS[key].kind);
      if (texts === undefined) problems.push(invalid(`${key} must be ${form(OPTIONS[key])}`));
      else values.set(key, texts);
    }
  }
  return { values, problems };
}

function isFileKey(key: string): key is OptionKey {
  return (KEYS as readonly string[]).includes(key);
}

function textsOf(value: unknown, kind: Option['kind']): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  if (kind !== 'list' || !Array.isArray(value)) return undefined;
  return value.every((element) => typeof element === 'string') ? value : undefined;
}

function form(option: Option): string {
  return option.kind === 'list' ? `one value or a list of values (${option.unit})` : `one value (${option.unit})`;
}

function unknownKey(key: string): string {
  const near = nearest(key, KEYS);
  return `${quote(key)} is not an option key${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function invalid(text: string): Problem {
  return { code: 'XEE_CONFIG_FILE_INVALID', text };
}
