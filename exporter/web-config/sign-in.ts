import { createHmac, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { BoundedMap } from '../bounded-map.js';
import { FairTurns } from '../fair-turns.js';
import { BcryptThread } from './bcrypt-thread.js';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Who is signing in, and whether they still wait for the answer. */
export interface Visitor {
  /** Visitors of one peer share its turns: see networkOf(). */
  readonly peer: string;
  readonly isGone: () => boolean;
}

/** `busy`: not checked, because too many sign in at once. */
export type Verdict = 'accepted' | 'refused' | 'busy';

/** Sign-ins that wait at a time: as many as there can be connections. */
const MOST_WAITING = 128;
/** Shorter than the usual scrape time-out, and than the server's time-out for a stalled connection. */
const MOST_WAIT_MS = 8000;
const MOST_REMEMBERED = 256;
/** After each check the thread rests this many times as long while others wait, one second at most: it never eats a CPU quota. */
const REST = 3;
const MOST_REST_MS = 1000;

interface Waiting {
  readonly key: string;
  readonly credentials: Credentials;
  readonly peer: string;
  readonly visitors: Visitor[];
  readonly decide: (verdict: Verdict) => void;
  readonly verdict: Promise<Verdict>;
}

/**
 * Checks user and password against bcrypt hashes, one pair at a time. A pair is checked once and then remembered, right or wrong;
 * a wrong one takes as long for a user that exists as for one that does not.
 *
 * Turns are fair, so that a flood of guesses delays a scraper and never keeps it out: the next turn goes to the peer whose last
 * one was longest ago, and within a peer to credentials that came before and had to leave without an answer, which a scraper
 * does and a guesser does not. A peer that comes for the first time therefore waits for the check under way and a rest, and
 * for one check of each other peer that is new.
 */
export class SignIn {
  readonly #thread = new BcryptThread();
  readonly #secret = randomBytes(32);
  /** Keys of right and of wrong pairs, kept apart so that no number of guesses can push out a right one. */
  readonly #right = new BoundedMap<string, true>(MOST_REMEMBERED);
  readonly #wrong = new BoundedMap<string, true>(MOST_REMEMBERED);
  readonly #waiting = new Map<string, Waiting>();
  /** Keys that left without an answer, oldest first. */
  readonly #turnedAway = new BoundedMap<string, true>(MOST_REMEMBERED);
  readonly #turns = new FairTurns();
  #users: ReadonlyMap<string, string>;
  #working = false;

  constructor(users: ReadonlyMap<string, string>) {
    this.#users = users;
  }

  /** Sets the users. If they changed, everything remembered about the old ones is forgotten. */
  setUsers(users: ReadonlyMap<string, string>): void {
    if (isDeepStrictEqual(users, this.#users)) return;
    this.#users = users;
    this.#right.clear();
    this.#wrong.clear();
  }

  async check(credentials: Credentials, visitor: Visitor): Promise<Verdict> {
    const hash = this.#users.get(credentials.user);
    const key = this.#key(credentials, hash);
    if (this.#right.has(key)) return 'accepted';
    if (this.#wrong.has(key)) return 'refused';
    const same = this.#waiting.get(key);
    if (same !== undefined) {
      same.visitors.push(visitor);
      return same.verdict;
    }
    if (this.#isFull()) return this.#turnAway(key);
    return this.#wait(key, credentials, visitor);
  }

  close(): void {
    this.#thread.close();
  }

  async #wait(key: string, credentials: Credentials, visitor: Visitor): Promise<Verdict> {
    let decide: (verdict: Verdict) => void = () => undefined;
    const verdict = new Promise<Verdict>((resolve) => (decide = resolve));
    const waiting = { key, credentials, peer: visitor.peer, visitors: [visitor], decide, verdict };
    this.#waiting.set(key, waiting);
    const late = setTimeout(() => this.#giveUp(waiting), MOST_WAIT_MS).unref();
    void this.#work();
    return verdict.finally(() => clearTimeout(late));
  }

  #isFull(): boolean {
    this.#dropGone();
    return this.#waiting.size >= MOST_WAITING;
  }

  #dropGone(): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.visitors.every(({ isGone }) => isGone())) this.#giveUp(waiting);
    }
  }

  #giveUp(waiting: Waiting): void {
    if (this.#waiting.get(waiting.key) !== waiting) return;
    this.#waiting.delete(waiting.key);
    waiting.decide(this.#turnAway(waiting.key));
  }

  #turnAway(key: string): Verdict {
    if (!this.#turnedAway.has(key)) this.#turnedAway.set(key, true);
    return 'busy';
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#turns.take(next.peer);
      const begin = performance.now();
      const verdict = await this.#compare(next).catch((): Verdict => 'busy');
      // The visitor may have given up, and the same credentials may be waiting again.
      if (this.#waiting.get(next.key) === next) this.#waiting.delete(next.key);
      this.#turnedAway.delete(next.key);
      next.decide(verdict);
      if (this.#waiting.size > 0 && !this.#isNewcomerWaiting()) await rest(performance.now() - begin);
    }
    this.#working = false;
  }

  #isNewcomerWaiting(): boolean {
    return [...this.#waiting.values()].some(({ peer }) => this.#turns.isNew(peer));
  }

  #next(): Waiting | undefined {
    this.#dropGone();
    const candidates = this.#turns.next([...this.#waiting.values()]);
    for (const [key] of this.#turnedAway) {
      const back = candidates.find((each) => each.key === key);
      if (back !== undefined) return back;
    }
    return candidates[0];
  }

  async #compare({ credentials: { user, password }, key }: Waiting): Promise<Verdict> {
    const users = this.#users;
    const hash = users.get(user);
    const matches = await this.#thread.compare({ password, hash: hash ?? decoy(users) });
    // The users may have changed by now; then this pair is checked again.
    if (users !== this.#users) return 'busy';
    const isRight = hash !== undefined && matches;
    (isRight ? this.#right : this.#wrong).set(key, true);
    return isRight ? 'accepted' : 'refused';
  }

  /** No password is kept, and the digest of one is of no use without the secret of this process. */
  #key({ user, password }: Credentials, hash: string | undefined): string {
    return createHmac('sha256', this.#secret)
      .update(JSON.stringify([user, password, hash ?? '']))
      .digest('base64');
  }
}

/** A hash without a known password, which takes as long to check as the slowest real one. */
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
