/** So much of the end of the text is looked for in the next one. */
export const ANCHOR_BYTES = 4096;

/** What one look at the kernel's ring brought. */
export interface NewText {
  readonly text: Buffer;
  /** The end of what was seen before is gone: overwritten, or cleared by somebody. */
  readonly lost: boolean;
}

/**
 * Tells the new lines of the kernel log from those seen before. syslog(2) gives no numbers and always the whole ring, so the end of the
 * last text is looked for in the next one; it has the time stamps in it, so it does not repeat.
 */
export class SyslogTail {
  #anchor: Buffer | undefined;

  /** True once there is something that the next text can follow. */
  get started(): boolean {
    return this.#anchor !== undefined;
  }

  /** True when the next look can tell what is new in this text. */
  continues(text: Buffer): boolean {
    return this.#anchor === undefined || this.#anchor.length === 0 || text.lastIndexOf(this.#anchor) !== -1;
  }

  /** Takes the next text; the first one is all new. */
  next(text: Buffer): NewText {
    const anchor = this.#anchor;
    this.#anchor = Buffer.from(text.subarray(-ANCHOR_BYTES));
    if (anchor === undefined || anchor.length === 0) return { text, lost: false };
    const at = text.lastIndexOf(anchor);
    return at === -1 ? { text, lost: true } : { text: text.subarray(at + anchor.length), lost: false };
  }
}
