import type { DrmFd } from '../native/binding.js';

interface Identity {
  readonly drmClientId: number;
  doubted: boolean;
}

/**
 * Which client each open fd belongs to. Finding out can wake the GPU, so an answer is kept until the number may refer
 * to another file. Bounded by what {@link retain} is given.
 */
export class FdIdentities {
  readonly #ofFd = new Map<string, Identity>();
  /** The reverse index, so that a client can leave without a search through all. */
  readonly #fdsOf = new Map<number, Set<string>>();

  /** @returns the client, and whether it has to be identified again; undefined for an fd never identified */
  get(fd: DrmFd): Readonly<Identity> | undefined {
    return this.#ofFd.get(fdKey(fd));
  }

  set(fd: DrmFd, drmClientId: number): void {
    const key = fdKey(fd);
    this.#delete(key);
    this.#ofFd.set(key, { drmClientId, doubted: false });
    const fds = this.#fdsOf.get(drmClientId);
    if (fds) fds.add(key);
    else this.#fdsOf.set(drmClientId, new Set([key]));
  }

  /** The number now refers to another file. */
  delete(fd: DrmFd): void {
    this.#delete(fdKey(fd));
  }

  /** The client is gone, and so are its fds. */
  forget(drmClientId: number): void {
    for (const key of this.#fdsOf.get(drmClientId) ?? []) this.#ofFd.delete(key);
    this.#fdsOf.delete(drmClientId);
  }

  /** The client may be gone: its fds must be identified again and say nothing until then. */
  doubt(drmClientId: number): void {
    for (const key of this.#fdsOf.get(drmClientId) ?? []) this.#ofFd.get(key)!.doubted = true;
  }

  /** Forgets every fd that is not among these. */
  retain(fds: readonly DrmFd[]): void {
    const kept = new Set(fds.map(fdKey));
    for (const key of [...this.#ofFd.keys()]) if (!kept.has(key)) this.#delete(key);
  }

  #delete(key: string): void {
    const known = this.#ofFd.get(key);
    if (known === undefined) return;
    this.#ofFd.delete(key);
    const fds = this.#fdsOf.get(known.drmClientId);
    fds?.delete(key);
    if (fds?.size === 0) this.#fdsOf.delete(known.drmClientId);
  }
}

/** Identifies an fd of one process for as long as that process lives; the file behind it can change. */
function fdKey({ pid, startTime, fd }: DrmFd): string {
  return `${pid}:${startTime}:${fd}`;
}
