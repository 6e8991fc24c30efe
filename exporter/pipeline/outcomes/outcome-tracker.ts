import { hrtime } from 'node:process';
import type { ClientEntry, ClientTableListener } from '../../clients/client-table.js';
import type { DeviceEvent } from '../../events/device-event.js';
import { Alarm } from '../../time/alarm.js';
import { isRebindOom } from '../../wire/errno.js';
import { vmRebindError } from '../../events/definitions/vm-rebind-error.js';
import { vmRebindOutcome } from '../../events/definitions/vm-rebind-outcome.js';
import type { XeDevice } from '../../host/device.js';
import type { Outcome } from '../../names.js';

/** Clients whose outcome can be awaited at a time; what lies beyond is decided `unknown` at once. */
const MAX_PENDING = 4096;

export interface OutcomeTrackerOptions {
  /** How long after a rebind OOM its outcome is decided at the latest, in milliseconds. */
  readonly windowMs: number;
  /** Takes each event, and after it the outcomes it decides; must not throw and must not call back. */
  readonly next: (event: DeviceEvent) => void;
  readonly maxPending?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** A rebind OOM whose outcome is open. */
interface Pending {
  readonly event: DeviceEvent;
  readonly deadline: number;
}

/**
 * Says of every rebind OOM what became of its client: `exited`, `repeated`, `survived` or `unknown`, exactly one and within the
 * window. Follows the client table by drm-client-id, which is never reused, while the client object may be replaced. A client
 * has at most one open outcome, because its next error decides the one before.
 */
export class OutcomeTracker implements ClientTableListener {
  readonly #options: OutcomeTrackerOptions;
  readonly #maxPending: number;
  readonly #now: () => number;
  readonly #present = new Map<number, Pick<ClientEntry, 'removalMayBeLost'>>();
  /** By client, in the order of their deadlines: the window is the same for all. */
  readonly #pending = new Map<number, Pending>();
  readonly #alarm: Alarm;
  #closed = false;

  constructor(options: OutcomeTrackerOptions) {
    this.#options = options;
    this.#maxPending = options.maxPending ?? MAX_PENDING;
    this.#now = options.now ?? (() => performance.now());
    this.#alarm = new Alarm(this.#now, () => this.#endWindows());
  }

  /** How many outcomes are open. */
  get pending(): number {
    return this.#pending.size;
  }

  added(entry: Pick<ClientEntry, 'client' | 'removalMayBeLost'>): void {
    this.#present.set(entry.client.drmClientId, entry);
  }

  /** The client's removal notice was read, or it was found gone. */
  removed({ client }: Pick<ClientEntry, 'client'>): void {
    this.#present.delete(client.drmClientId);
    const pending = this.#take(client.drmClientId);
    if (pending) this.#decide(pending.event, 'exited');
  }

  /** A device was unbound: what its clients do from now on is not seen. Comes before the removal of those clients. */
  deviceRemoved(device: XeDevice): void {
    for (const [id, { event }] of [...this.#pending]) {
      if (event.device !== device) continue;
      this.#pending.delete(id);
      this.#decide(event, 'unknown');
    }
  }

  /** Passes every event on. A rebind error then decides the outcome of the one before, and may open one of its own. */
  readonly accept = (event: DeviceEvent): void => {
    this.#options.next(event);
    if (event.definition === vmRebindError && event.phase !== 'opened') this.#observe(event);
  };

  #observe(event: DeviceEvent): void {
    const id = event.client?.drmClientId;
    const before = id === undefined ? undefined : this.#take(id);
    // Any further error tells that the client is not well; only an OOM opens a window of its own.
    if (before) this.#decide(before.event, 'repeated', event);
    if (!isRebindOom(event.errorCode)) return;
    const lost = id === undefined || !this.#present.has(id) || this.#closed;
    if (lost || this.#pending.size >= this.#maxPending) return this.#decide(event, 'unknown', event);
    const deadline = this.#now() + this.#options.windowMs;
    this.#pending.set(id, { event, deadline });
    this.#alarm.setFor(deadline);
  }

  /** Decides what is open as `unknown`: nobody will be there to see. A second close is the first. */
  close(): void {
    this.#closed = true;
    this.#alarm.clear();
    for (const { event } of this.#pending.values()) this.#decide(event, 'unknown');
    this.#pending.clear();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending) this.#pending.delete(id);
    return pending;
  }

  #endWindows(): void {
    const now = this.#now();
    for (const [id, { event, deadline }] of this.#pending) {
      if (deadline > now) return this.#alarm.setFor(deadline);
      this.#pending.delete(id);
      // After a loss nobody can say, until the next look at /proc has found the client.
      this.#decide(event, this.#present.get(id)?.removalMayBeLost === false ? 'survived' : 'unknown');
    }
  }

  /** @param at the event that decides it, and so gives the time; now if there is none */
  #decide(event: DeviceEvent, outcome: Outcome, at?: DeviceEvent): void {
    // Written out in the order of the decoder, so that all events have one shape.
    this.#options.next({
      definition: vmRebindOutcome,
      source: event.source,
      report: event.report,
      sequence: event.sequence,
      realtimeNs: at?.realtimeNs ?? BigInt(Date.now()) * 1_000_000n,
      monotonicNs: at?.monotonicNs ?? hrtime.bigint(),
      client: event.client,
      device: event.device,
      vmId: event.vmId,
      errorCode: event.errorCode,
      lostMessages: 0,
      said: undefined,
      causeId: undefined,
      repeats: 0,
      outcome,
      details: undefined,
      inferred: undefined,
      memory: undefined,
      phase: 'whole',
    });
  }
}
