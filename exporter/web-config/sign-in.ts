import { createHmac, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { BcryptThread } from './bcrypt-thread.js';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Whoever asks, and whether they still wait for the answer. */
export interface Visitor {
  readonly address: string;
  readonly isGone: () => boolean;
}

/** `busy`: nobody knows, because too many ask at once. */
export type Verdict = 'accepted' | 'refused' | 'busy';

/** More sign-ins than these wait for nothing: a flood of them gets no further than the CPU time below. */
const MOST_WAITING = 16;
/** One address cannot take all places. */
const MOST_WAITING_PER_ADDRESS = 4;
const MOST_REMEMBERED = 100;
/** After each check the thread rests this many times as long while others wait, one second at most: it never eats a CPU quota. */
const REST = 3;
const MOST_REST_MS = 1000;

interface Waiting {
  readonly key: string;
  readonly credentials: Credentials;
  readonly visitors: Visitor[];
  readonly decide: (verdict: Verdict) => void;
  readonly verdict: Promise<Verdict>;
}

/**
 * Checks user and password against bcrypt hashes. A right pair is remembered, so that a scraper costs one bcrypt; a wrong one takes
 * as long for a user that exists as for one that does not. JavaScript thread only; bcrypt itself runs on a thread of its own.
 */
export class SignIn {
  readonly #thread = new BcryptThread();
  readonly #secret = randomBytes(32);
  readonly #accepted = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();
  #users: ReadonlyMap<string, string>;
  #working = false;

  constructor(users: ReadonlyMap<string, string>) {
    this.#users = users;
  }

  /** From now on these users; when they are others, what was known of the former ones is forgotten. */
  setUsers(users: ReadonlyMap<string, string>): void {
    if (isDeepStrictEqual(users, this.#users)) return;
    this.#users = users;
    this.#accepted.clear();
  }

  async check(credentials: Credentials, visitor: Visitor): Promise<Verdict> {
    const hash = this.#users.get(credentials.user);
    const key = this.#key(credentials, hash);
    if (this.#accepted.has(key)) return 'accepted';
    const same = this.#waiting.get(key);
    if (same !== undefined) {
      same.visitors.push(visitor);
      return same.verdict;
    }
    if (this.#isFull(visitor)) return 'busy';
    let decide: (verdict: Verdict) => void = () => undefined;
    const verdict = new Promise<Verdict>((resolve) => (decide = resolve));
    this.#waiting.set(key, { key, credentials, visitors: [visitor], decide, verdict });
    void this.#work();
    return verdict;
  }

  close(): void {
    this.#thread.close();
  }

  #isFull({ address }: Visitor): boolean {
    for (const [key, { visitors }] of this.#waiting) {
      if (visitors.every(({ isGone }) => isGone())) this.#giveUp(key);
    }
    const ofAddress = [...this.#waiting.values()].filter(({ visitors }) => visitors[0]?.address === address);
    return this.#waiting.size >= MOST_WAITING || ofAddress.length >= MOST_WAITING_PER_ADDRESS;
  }

  #giveUp(key: string): void {
    this.#waiting.get(key)?.decide('busy');
    this.#waiting.delete(key);
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const begin = performance.now();
      const verdict = await this.#compare(next).catch((): Verdict => 'busy');
      // Given up meanwhile, the same credentials may wait anew.
      if (this.#waiting.get(next.key) === next) this.#waiting.delete(next.key);
      next.decide(verdict);
      if (this.#waiting.size > 0) await rest(performance.now() - begin);
    }
    this.#working = false;
  }

  /** The oldest that somebody still waits for. */
  #next(): Waiting | undefined {
    for (const [key, waiting] of this.#waiting) {
      if (!waiting.visitors.every(({ isGone }) => isGone())) return waiting;
      this.#giveUp(key);
    }
    return undefined;
  }

  async #compare({ credentials: { user, password }, key }: Waiting): Promise<Verdict> {
    const users = this.#users;
    const hash = users.get(user);
    const matches = await this.#thread.compare({ password, hash: hash ?? decoy(users) });
    // The users may be others by now: then this pair is asked for anew.
    if (users !== this.#users) return 'busy';
    if (hash === undefined || !matches) return 'refused';
    this.#remember(key);
    return 'accepted';
  }

  #remember(key: string): void {
    const [oldest] = this.#accepted;
    if (this.#accepted.size >= MOST_REMEMBERED && oldest !== undefined) this.#accepted.delete(oldest);
    this.#accepted.add(key);
  }

  /** No password is kept, and the digest of one is of no use without the secret of this process. */
  #key({ user, password }: Credentials, hash: string | undefined): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([user, password, hash ?? '']))
      .digest('base64');
  }
}

/** A hash nobody has the password of, which takes as long as the slowest real one. */
function decoy(users: ReadonlyMap<string, string>): string {
  const costs = [...users.values()].map((hash) => hash.slice(4, 6)).sort();
  return `$2b$${costs.at(-1) ?? '10'}$${'.'.repeat(53)}`;
}

function rest(workedMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(REST * workedMs, MOST_REST_MS)).unref());
}

/** User and password of an Authorization header; undefined when it has none. */
export function parseBasic(header: string | undefined): Credentials | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header?.slice(0, 1024) ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
