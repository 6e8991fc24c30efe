import { OPTIONS, type Option, type OptionKey } from '../../exporter/config/schema.js';

/** A JSON schema, as far as the chart uses it. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** Units that are whole numbers, and those that are any. */
const INTEGERS = ['count', 'records'];
const NUMBERS = ['events/s'];

/** The schema of one option as a value of the chart, from its entry in the table: type, choices, bounds, default and text. */
export function optionSchema(key: OptionKey): Schema {
  const option: Option = OPTIONS[key];
  return { description: option.help, ...typeOf(option), default: defaultOf(option) };
}

/** Whether an option can be switched off by the word `off`, which YAML of Helm reads as false. */
export function takesOff({ kind, parse }: Option): boolean {
  return kind === 'value' && 'value' in parse('off');
}

function typeOf(option: Option): Schema {
  const words = option.unit.split('|');
  if (option.kind === 'switch') return { type: 'boolean' };
  if (option.kind === 'list') return { type: 'array', items: { enum: words }, uniqueItems: true };
  if (option.unit.startsWith('duration')) return duration(option);
  if (words.length > 1) return { enum: takesOff(option) ? [...words, false] : words };
  const type = INTEGERS.includes(option.unit) ? 'integer' : NUMBERS.includes(option.unit) ? 'number' : 'string';
  if (type === 'string') return { type };
  const bounds = type === 'integer' ? integerBounds(option) : {};
  return { type: option.default === undefined ? [type, 'null'] : type, ...bounds };
}

function duration(option: Option): Schema {
  const pattern = '\\d+(\\.\\d+)?(ms|s|m)';
  if (!takesOff(option)) return { type: 'string', pattern: `^${pattern}$` };
  return { oneOf: [{ type: 'string', pattern: `^(${pattern}|off)$` }, { const: false }] };
}

/** What the exporter itself takes, so that the chart refuses the same. */
function integerBounds({ parse, default: text }: Option): Schema {
  const accepts = (value: number): boolean => 'value' in parse(String(value));
  const inside = Number(text ?? 1);
  if (!accepts(inside)) throw new Error(`${inside} is not a value of an option that has it as its default`);
  return { minimum: furthest(accepts, inside, 0), maximum: furthest(accepts, inside, 2 ** 40) };
}

/** The accepted number next to `end`, by bisection: what a parser of whole numbers accepts is one range. */
function furthest(accepts: (value: number) => boolean, inside: number, end: number): number {
  if (accepts(end)) return end;
  let [good, bad] = [inside, end];
  while (Math.abs(bad - good) > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (accepts(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** The default as values.yaml writes it. */
function defaultOf(option: Option): unknown {
  const type = option.kind === 'value' ? typeOf(option)['type'] : undefined;
  if (option.kind === 'switch') return option.default === 'true';
  if (option.kind === 'list') return [];
  if (Array.isArray(type)) return null;
  if (option.default === undefined) return '';
  return type === 'integer' || type === 'number' ? Number(option.default) : option.default;
}
