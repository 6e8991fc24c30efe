import type { PresentClients } from '../identify/present-clients.js';
import type { ClientEntry, ClientTableListener } from '../../clients/client-table.js';
import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent, InferredVictim, VictimEvidence } from '../../events/device-event.js';
import type { XeDevice } from '../../host/device.js';
import { ATTRIBUTE } from '../../names.js';

/** What happened so long before and after an incident is evidence. */
const BEFORE_MS = 1_000;
const AFTER_MS = 3_000;

/** How long observations are kept: until every incident they may be evidence of is decided. */
const KEPT_MS = 2 * (BEFORE_MS + AFTER_MS);

/** Observations kept of each device; far more than can name one process and no other. */
const MAX_KEPT = 1024;

/** That a client closed, is present, or was named by the kernel, and when. */
interface Observation {
  readonly kind: 'closed' | 'present' | 'named';
  readonly at: number;
  readonly pid: number;
  /** undefined when the kernel named the process. */
  readonly client: XeClient | undefined;
  /** From when on the client was known. */
  readonly from: number;
}

export interface VictimInferenceOptions {
  readonly clients: PresentClients;
  /** Milliseconds of CLOCK_MONOTONIC, as the time of events. */
  readonly now: () => number;
}

/**
 * Concludes who an incident without a process probably hit, from what the clients of the device did around it. A victim is a process: of several
 * clients of one, the oldest stands for it. Every piece of evidence has to admit the one that is named. Has to be told of a removal before
 * {@link PresentClients} is.
 */
export class VictimInference implements ClientTableListener {
  readonly #options: VictimInferenceOptions;
  readonly #observed = new Map<string, Observation[]>();
  /** Devices that are being unbound: that their clients go tells nothing. */
  readonly #leaving = new Set<string>();

  constructor(options: VictimInferenceOptions) {
    this.#options = options;
  }

  added({ client }: Pick<ClientEntry, 'client'>): void {
    this.#leaving.delete(client.device.pciBdf);
  }

  removed({ client }: Pick<ClientEntry, 'client'>): void {
    if (this.#leaving.has(client.device.pciBdf)) return;
    const { since: from = 0 } = this.#options.clients.get(client) ?? {};
    const { pid } = client.process;
    this.#keep(client.device.pciBdf, { kind: 'closed', at: this.#options.now(), pid, client, from });
  }

  /** Comes before the removal of the clients of the device. */
  deviceRemoved({ pciBdf }: XeDevice): void {
    this.#leaving.add(pciBdf);
  }

  /** A device is there: what its clients do counts again. */
  deviceAdded({ pciBdf }: XeDevice): void {
    this.#leaving.delete(pciBdf);
  }

  /** Takes note of a process that a line of the kernel log names. */
  observe({ device, details, monotonicNs }: DeviceEvent): void {
    const pid = details?.[ATTRIBUTE.pid];
    if (typeof pid !== 'number' || device === undefined) return;
    this.#keep(device.pciBdf, { kind: 'named', at: Number(monotonicNs) / 1e6, pid, client: undefined, from: 0 });
  }

  /** Who it probably was, by what is known now; undefined without evidence, or when it is at odds. */
  infer({ device, monotonicNs }: DeviceEvent): InferredVictim | undefined {
    if (device === undefined) return undefined;
    const happened = Number(monotonicNs) / 1e6;
    const since = this.#recent(device.pciBdf).filter(({ at }) => at >= happened - BEFORE_MS);
    const around = since.filter(({ at }) => at <= happened + AFTER_MS);
    const named = byProcess(around.filter(({ kind }) => kind === 'named'));
    // One that came after the incident cannot have been hit.
    const closed = byProcess(around.filter(({ kind, from }) => kind === 'closed' && from <= happened));
    // All that were there at any time since: one that was found late may have been there before.
    const present = byProcess([...since.filter(({ kind }) => kind === 'closed'), ...this.#present(device)]);
    if (named.size === 0 && closed.size === 0) {
      const only = sole(present);
      return only?.client && only.from <= happened ? { client: only.client, evidence: 'only_client' } : undefined;
    }
    const [evidence, victim]: [VictimEvidence, Observation | undefined] =
      named.size === 1 ? ['job_timeout', sole(named)] : ['client_closed', sole(closed)];
    if (victim === undefined) return undefined;
    const admitted = [named, closed, present].every((seen) => seen.size === 0 || seen.has(victim.pid));
    const client = present.get(victim.pid)?.client;
    return admitted && client ? { client, evidence } : undefined;
  }

  /** Observations that are kept. */
  get kept(): number {
    let kept = 0;
    for (const pciBdf of [...this.#observed.keys()]) kept += this.#recent(pciBdf).length;
    return kept;
  }

  #present({ pciBdf }: XeDevice): Observation[] {
    const at = this.#options.now();
    return this.#options.clients
      .on(pciBdf)
      .map(({ client, since: from }) => ({ kind: 'present', at, pid: client.process.pid, client, from }));
  }

  #keep(pciBdf: string, observation: Observation): void {
    const observed = this.#recent(pciBdf);
    if (observed.length >= MAX_KEPT) observed.shift();
    observed.push(observation);
    this.#observed.set(pciBdf, observed);
  }

  #recent(pciBdf: string): Observation[] {
    const observed = this.#observed.get(pciBdf) ?? [];
    const oldest = this.#options.now() - KEPT_MS;
    if (observed.length > 0 && observed[0]!.at >= oldest) return observed;
    const recent = observed.filter(({ at }) => at >= oldest);
    if (recent.length === 0) this.#observed.delete(pciBdf);
    else this.#observed.set(pciBdf, recent);
    return recent;
  }
}

/** The first of each process. */
function byProcess(observed: readonly Observation[]): ReadonlyMap<number, Observation> {
  const processes = new Map<number, Observation>();
  for (const one of observed) if (!processes.has(one.pid)) processes.set(one.pid, one);
  return processes;
}

/** The only one; undefined when there are none or several. */
function sole(processes: ReadonlyMap<number, Observation>): Observation | undefined {
  const [one, ...others] = processes.values();
  return others.length === 0 ? one : undefined;
}
