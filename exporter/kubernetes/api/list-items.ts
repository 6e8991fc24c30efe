/** Bounds on a list that a server sends, in characters. */
export interface ListBounds {
  readonly item: number;
  /** All pieces together. */
  readonly list: number;
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

/** A list without its items, which is a little metadata. */
const MOST_FRAME = 64 * 1024;

/**
 * Cuts a Kubernetes list into the texts of its items as it arrives, so that no more than one item has to be parsed at a time:
 * parsing a large text takes ten times its size in memory.
 */
export class ListItems {
  readonly #bounds: ListBounds;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Whether what is open at depth 2 is an array. */
  #inList = false;
  #item: string[] | undefined;
  #itemLength = 0;
  #length = 0;
  #frame = '';

  constructor(bounds: ListBounds) {
    this.#bounds = bounds;
  }

  /** The list with `null` in place of each item. */
  get frame(): string {
    return this.#frame;
  }

  /** @returns the items that end in this piece. @throws Error beyond a bound */
  push(piece: string): string[] {
    this.#length += piece.length;
    if (this.#length > this.#bounds.list) throw new Error(`a list of more than ${this.#bounds.list} characters`);
    const items: string[] = [];
    let start = 0;
    for (let index = 0; index < piece.length; index++) {
      const code = piece.charCodeAt(index);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
      } else if (code === QUOTE) {
        this.#inString = true;
      } else if (code === OPEN || code === OPEN_LIST) {
        this.#depth++;
        if (this.#depth === 2) this.#inList = code === OPEN_LIST;
        if (this.#depth !== 3 || !this.#inList || code !== OPEN) continue;
        this.#keepFrame(piece.slice(start, index));
        this.#item = [];
        start = index;
      } else if (code === CLOSE || code === CLOSE_LIST) {
        if (this.#depth-- !== 3 || this.#item === undefined) continue;
        this.#keepItem(piece.slice(start, index + 1));
        items.push(this.#item.join(''));
        this.#item = undefined;
        this.#itemLength = 0;
        this.#keepFrame('null');
        start = index + 1;
      }
    }
    if (this.#item) this.#keepItem(piece.slice(start));
    else this.#keepFrame(piece.slice(start));
    return items;
  }

  #keepItem(text: string): void {
    this.#itemLength += text.length;
    if (this.#itemLength > this.#bounds.item) throw new Error(`an item of more than ${this.#bounds.item} characters`);
    this.#item?.push(text);
  }

  #keepFrame(text: string): void {
    this.#frame += text;
    if (this.#frame.length > MOST_FRAME)
      throw new Error(`a list with more than ${MOST_FRAME} characters beside its items`);
  }
}
