/** Notifies listeners of changes, once per turn of the event loop. */
export class ChangeNotice {
  readonly #listeners: (() => void)[] = [];
  #due: NodeJS.Immediate | undefined;

  subscribe(listener: () => void): void {
    this.#listeners.push(listener);
  }

  raise(): void {
    this.#due ??= setImmediate(() => {
      this.#due = undefined;
      for (const listener of this.#listeners) listener();
    });
  }

  cancel(): void {
    clearImmediate(this.#due);
    this.#due = undefined;
  }
}
