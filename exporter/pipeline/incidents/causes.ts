import { EVENT_RANKS, type DeviceEvent, type EventRank } from '../../events/device-event.js';
import { MAX_DEVICES } from '../../host/device-table.js';

/** Incidents of one device so close to the last of a chain belong to it, in milliseconds. */
const CHAIN_MS = 5_000;
const MAX_CHAINS = 2 * MAX_DEVICES;
const CONSEQUENCE: EventRank = 'consequence';

export interface CausesOptions {
  /** Takes each event; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  /** `xe.event.id` of an event. */
  readonly idOf: (event: DeviceEvent) => string;
}

/** Incidents of one device that follow from each other. */
interface Chain {
  root: DeviceEvent;
  /** `xe.event.id` of the root, once something follows from it. */
  rootId: string | undefined;
  rank: EventRank;
  lastAt: number;
}

/**
 * Tells cause from consequence: an event that is of a lesser rank than the one that began a chain of incidents of its device, and
 * happened within seconds of it, carries the id of that one. One of the same rank begins a chain of its own: two VMs that lose their
 * memory are two incidents.
 */
export class Causes {
  readonly #options: CausesOptions;
  readonly #chains = new Map<string, Chain>();
  #batchNs = 0n;
  #batchMs = 0;

  constructor(options: CausesOptions) {
    this.#options = options;
  }

  readonly accept = (event: DeviceEvent): void => {
    const { rank: ranked } = event.definition;
    const device = event.device ?? event.client?.device;
    if (ranked === undefined || device === undefined) return this.#options.next(event);
    const rank = typeof ranked === 'string' ? ranked : ranked(event);
    const at = this.#happened(event);
    const chain = this.#chains.get(device.pciBdf);
    if (chain === undefined || at - chain.lastAt >= CHAIN_MS || !isLesser(rank, chain.rank)) {
      this.#begin(chain, device.pciBdf, event, rank, at);
      return this.#options.next(event);
    }
    if (at > chain.lastAt) chain.lastAt = at;
    if (event.sequence === chain.root.sequence) return this.#options.next(event);
    chain.rootId ??= this.#options.idOf(chain.root);
    this.#options.next({ ...event, causeId: chain.rootId });
  };

  /** What began the chain that an event belongs to; the event itself when that is not known. */
  rootOf(event: DeviceEvent): DeviceEvent {
    if (event.causeId === undefined) return event;
    return this.#chains.get(event.device?.pciBdf ?? '')?.root ?? event;
  }

  /** An event that nobody can look up in the log begins nothing. */
  #begin(chain: Chain | undefined, pciBdf: string, root: DeviceEvent, rank: EventRank, lastAt: number): void {
    if (!root.definition.logged) return;
    if (chain === undefined) {
      if (this.#chains.size < MAX_CHAINS) this.#chains.set(pciBdf, { root, rootId: undefined, rank, lastAt });
      return;
    }
    // The second part of an incident is no other one.
    if (root.sequence === chain.root.sequence) return;
    chain.root = root;
    chain.rootId = undefined;
    chain.rank = rank;
    chain.lastAt = lastAt;
  }

  /** Converted once a batch of the watch queue: its events carry one time. */
  #happened({ monotonicNs }: DeviceEvent): number {
    if (monotonicNs !== this.#batchNs) {
      this.#batchNs = monotonicNs;
      this.#batchMs = Number(monotonicNs) / 1e6;
    }
    return this.#batchMs;
  }
}

function isLesser(rank: EventRank, than: EventRank): boolean {
  return rank === CONSEQUENCE || EVENT_RANKS.indexOf(rank) > EVENT_RANKS.indexOf(than);
}
