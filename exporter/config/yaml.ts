import { LineCounter, parseDocument } from 'yaml';

/** Bounds of a file that is what it should be, so that another one is refused quickly and briefly. */
const MOST_CHARACTERS = 65_536;
const MOST_FAULTS = 10;
const MOST_BRACKETS = 256;
const MANY_INDICATORS = /(?:[-?:][ \t]+){64}/;

const TOO_COMPLICATED = 'it is too complicated for what should be a plain list of options';

/**
 * Parses YAML written by a person for this program. All scalars are taken as text (`0x0f` stays `0x0f`), a missing value is
 * the empty text. Never throws. Faults name positions, never values: a file may hold secrets.
 */
export function parseYaml(text: string): { readonly content: unknown } | { readonly faults: readonly string[] } {
  if (text.length > MOST_CHARACTERS) return { faults: [`it is longer than ${MOST_CHARACTERS} characters`] };
  // Deep nesting exhausts the parser's stack, which V8 does not always survive.
  if (text.split(/[[{]/).length > MOST_BRACKETS || MANY_INDICATORS.test(text)) return { faults: [TOO_COMPLICATED] };
  try {
    const lines = new LineCounter();
    const document = parseDocument(text, { schema: 'failsafe', prettyErrors: false, lineCounter: lines });
    const faults = [...document.errors, ...document.warnings];
    if (faults.length === 0) return { content: document.toJS() };
    // The parser's own messages quote the text.
    const describe = ({ pos: [position], code }: (typeof faults)[number]): string => {
      const { line, col } = lines.linePos(position);
      return `line ${line}, column ${col}: ${code.toLowerCase().replaceAll('_', ' ')}`;
    };
    return { faults: faults.slice(0, MOST_FAULTS).map(describe) };
  } catch {
    // Too many aliases.
    return { faults: [TOO_COMPLICATED] };
  }
}
