const [QUOTE, OPENING, DOLLAR] = ['"', '(', '$'].map((char) => char.charCodeAt(0)) as [number, number, number];

/** What may stand in the name of a field. */
const IN_NAME = charactersLike(/\w/);
/** Where a value ends that has no quotes. */
const AFTER_VALUE = charactersLike(/[\s,"]/);

const BEYOND_ASCII = /[\x80-\xff]/;

/**
 * The fields of one event, `name=value` or `name="value"`, as `trace_pipe` prints them. Only what is asked for is looked for: a match array
 * and a Map for each line were most of the garbage of a busy trace.
 *
 * The first of a name counts: what a string in a later field imitates changes nothing. A quoted string ends where the next field or nothing
 * follows, because a comm can contain quotes. Pure; any text is walked through in bounded time.
 */
export class TraceFields {
  readonly #text: string;
  /** Whether no value has a quote or a parenthesis, as in the driver's own events: then a name is found without a look at what is before it. */
  readonly #isPlain: boolean;

  /** @param text decoded as latin1, one character a byte */
  constructor(text: string) {
    this.#text = text;
    this.#isPlain = !text.includes('"') && !text.includes('(');
  }

  /** The value of a field, without its quotes; undefined when there is none of that name. */
  get(name: string): string | undefined {
    return this.#isPlain ? this.#find(name) : this.#seek(name);
  }

  #find(name: string): string | undefined {
    const text = this.#text;
    for (let start = text.indexOf(name); start >= 0; start = text.indexOf(name, start + 1)) {
      const equals = start + name.length;
      if (text[equals] !== '=') continue;
      const before = start === 0 ? ' ' : text[start - 1];
      if (before === ' ' || before === ',') return text.slice(equals + 1, endOfBare(text, equals + 1));
      // Nothing that a kernel prints.
      return this.#seek(name);
    }
    return undefined;
  }

  /** Field by field. */
  #seek(name: string): string | undefined {
    const text = this.#text;
    let from = 0;
    for (;;) {
      const equals = text.indexOf('=', from);
      if (equals < 0) return undefined;
      const start = startOfName(text, from, equals);
      from = equals + 1;
      if (start < 0) continue;
      const isWanted = equals - start === name.length && text.startsWith(name, start);
      const quoteEnd = text.charCodeAt(from) === QUOTE ? endOfQuoted(text, from + 1) : -1;
      if (isWanted && quoteEnd >= 0) return decoded(text.slice(from + 1, quoteEnd));
      const end = quoteEnd >= 0 ? quoteEnd + 1 : endOfBare(text, from);
      if (isWanted) return text.slice(from, end);
      from = end;
    }
  }
}

/** Latin1 as the kernel wrote it: UTF-8, if it is more than ASCII. */
export function decoded(latin1: string): string {
  return BEYOND_ASCII.test(latin1) ? Buffer.from(latin1, 'latin1').toString('utf8') : latin1;
}

/** Of the name that ends before `equals`, not before `from`; -1 when what stands there is no name. */
function startOfName(text: string, from: number, equals: number): number {
  let start = equals;
  while (start > from && IN_NAME[text.charCodeAt(start - 1)]) start--;
  const first = text.charCodeAt(start);
  const isDigit = first >= 0x30 && first <= 0x39;
  return start === equals || isDigit || text.charCodeAt(start - 1) === DOLLAR ? -1 : start;
}

/** The closing quote; -1 when there is none. */
function endOfQuoted(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    if (quote + 1 === text.length || isBeforeField(text, quote + 1)) return quote;
  }
  return -1;
}

/** Whether a space, a name and a `=` stand there. */
function isBeforeField(text: string, at: number): boolean {
  if (text[at] !== ' ') return false;
  let end = at + 1;
  while (IN_NAME[text.charCodeAt(end)]) end++;
  return end > at + 1 && text[end] === '=';
}

/** Such as `(fault)`, or up to what separates fields. */
function endOfBare(text: string, from: number): number {
  const closing = text.charCodeAt(from) === OPENING ? text.indexOf(')', from) : -1;
  if (closing >= 0) return closing + 1;
  let end = from;
  while (end < text.length && !AFTER_VALUE[text.charCodeAt(end)]) end++;
  return end;
}

/** By character code. */
function charactersLike(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (pattern.test(String.fromCharCode(code)) ? 1 : 0));
}
