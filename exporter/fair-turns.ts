import { BoundedMap } from './bounded-map.js';

/** Peers whose last turn is remembered; one that is forgotten counts as new. */
const MOST_PEERS = 1024;

/** Whose turn is next where peers ask for work that is done one piece at a time: theirs whose last turn is longest ago. */
export class FairTurns {
  readonly #turns = new BoundedMap<string, number>(MOST_PEERS);
  #turn = 0;

  /** The candidates whose peer comes next, in their order; all of one peer or of peers that are new. */
  next<Candidate extends { readonly peer: string }>(candidates: readonly Candidate[]): readonly Candidate[] {
    const longestAgo = Math.min(...candidates.map(({ peer }) => this.#lastOf(peer)));
    return candidates.filter(({ peer }) => this.#lastOf(peer) === longestAgo);
  }

  /** This peer has its turn now. */
  take(peer: string): void {
    this.#turns.set(peer, ++this.#turn);
  }

  /** Whether it never had a turn, as far as is remembered. */
  isNew(peer: string): boolean {
    return !this.#turns.has(peer);
  }

  #lastOf(peer: string): number {
    return this.#turns.get(peer) ?? 0;
  }
}
