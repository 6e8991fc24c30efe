/** So long before an error, a request may have brought it about. */
const RECENT_MS = 60_000;
/** Requests kept of each device; the oldest goes. */
const MAX_KEPT = 256;

interface Request {
  readonly at: number;
  readonly pid: number;
  readonly bytes: number;
}

/** For which processes the driver moved buffers out of the memory of a device lately, by PCI address. */
export class EvictionRequests {
  readonly #now: () => number;
  readonly #byDevice = new Map<string, Request[]>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param bytes moved out since the last time this was told of the process */
  add(pciBdf: string, pid: number, bytes: number): void {
    const requests = this.#byDevice.get(pciBdf) ?? [];
    this.#byDevice.set(pciBdf, requests);
    requests.push({ at: this.#now(), pid, bytes });
    if (requests.length > MAX_KEPT) requests.shift();
  }

  /** Bytes by process. */
  recent(pciBdf: string): ReadonlyMap<number, number> {
    const oldest = this.#now() - RECENT_MS;
    const bytes = new Map<number, number>();
    for (const { at, pid, bytes: more } of this.#byDevice.get(pciBdf) ?? []) {
      if (at >= oldest) bytes.set(pid, (bytes.get(pid) ?? 0) + more);
    }
    return bytes;
  }

  forget(pciBdf: string): void {
    this.#byDevice.delete(pciBdf);
  }
}
