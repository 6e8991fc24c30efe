/**
 * The document that was made last, as long as somebody is still taking it: readers who ask for the same thing at the same time
 * share one buffer.
 */
export class LastDocument {
  #key = '';
  #body: WeakRef<Buffer> | undefined;

  /** @param key names everything that the document depends on */
  share(key: string, make: () => Buffer): Buffer {
    const last = key === this.#key ? this.#body?.deref() : undefined;
    if (last !== undefined) return last;
    const body = make();
    this.#key = key;
    this.#body = new WeakRef(body);
    return body;
  }
}
