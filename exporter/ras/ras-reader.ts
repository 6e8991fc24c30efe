import { constants } from 'node:os';
import type { XeDevice } from '../host/device.js';
import { runtimeStatusPath } from '../host/device-state.js';
import type { NativeAddon, NativeFailure, NetlinkRead } from '../native/binding.js';
import { TIMED_OUT, withDeadline } from '../time/deadline.js';
import { countersRequest, DRM_RAS_FAMILY, nodesRequest, parseCounters, parseNodes } from '../wire/drm-ras.js';
import type { RasCounter, RasNode } from '../wire/drm-ras.js';
import { familyIn, familyRequest } from '../wire/generic-netlink.js';

/** How long the kernel may take for an answer that has begun. */
const TIMEOUT_MS = 5_000;
/** How long it is waited for, also where the driver hangs and no answer begins. */
const DEADLINE_MS = 10_000;

const { EBADMSG, ETIMEDOUT } = constants.errno;

export interface RasReaderOptions {
  readonly native: Pick<NativeAddon, 'startReads'>;
  readonly sysRoot: string;
  readonly deadlineMs?: number;
}

/**
 * Asks the kernel for the error counters of GPUs (drm_ras_nl.c, Linux 7.2), each time on threads that nobody waits for: on Crescent Island a
 * counter is a command to its firmware, which can hang. A device that has not answered is not asked again before it has.
 */
export class RasReader {
  readonly #options: RasReaderOptions;
  readonly #stopping = new AbortController();
  /** PCI addresses of the devices that are being read; the empty one stands for the kernel itself. */
  readonly #underWay = new Set<string>();

  constructor(options: RasReaderOptions) {
    this.#options = options;
  }

  /** Ends every waiting. */
  stop(): void {
    this.#stopping.abort();
  }

  /** The number of the family. Everybody may ask: `answer` ENOENT = this kernel does not have it. */
  async family(): Promise<number | NativeFailure> {
    const [answer] = await this.#ask('', [familyRequest(DRM_RAS_FAMILY)]);
    return parsed(answer, familyIn);
  }

  /** The groups of counters that there are, of every driver: `answer` EPERM = without CAP_NET_ADMIN. */
  async nodes(family: number): Promise<readonly RasNode[] | NativeFailure> {
    const [answer] = await this.#ask('', [nodesRequest(family)]);
    return parsed(answer, parseNodes);
  }

  /** The counters of these nodes of a device, in their order, unless the device sleeps: `asleep`. */
  async counters(
    family: number,
    { pciBdf }: Pick<XeDevice, 'pciBdf'>,
    nodes: readonly RasNode[],
  ): Promise<readonly (readonly RasCounter[] | NativeFailure)[]> {
    const answers = await this.#ask(
      pciBdf,
      nodes.map(({ id }) => countersRequest(family, id)),
    );
    return nodes.map((_, index) => parsed(answers[index], parseCounters));
  }

  /** @returns an answer to each request, in their order; fewer when there is none in time */
  async #ask(of: string, requests: readonly Uint8Array[]): Promise<readonly (Uint8Array | NativeFailure)[]> {
    const { native, sysRoot, deadlineMs = DEADLINE_MS } = this.#options;
    if (this.#underWay.has(of) || requests.length === 0) return [];
    const runtimeStatus = of === '' ? '' : runtimeStatusPath(sysRoot, of);
    const reads = requests.map((request): NetlinkRead => ({
      kind: 'netlink',
      request,
      runtimeStatus,
      timeoutMs: TIMEOUT_MS,
    }));
    const answers: (Uint8Array | NativeFailure)[] = [];
    const answered = new Promise<readonly (Uint8Array | NativeFailure)[]>((resolve) => {
      this.#underWay.add(of);
      const started = native.startReads(reads, (_index, answer) => {
        answers.push(answer);
        if (answers.length < reads.length) return;
        this.#underWay.delete(of);
        resolve(answers);
      });
      if (typeof started === 'function') return;
      this.#underWay.delete(of);
      resolve(requests.map(() => started));
    });
    const result = await withDeadline(deadlineMs, answered, this.#stopping.signal);
    return result === TIMED_OUT ? answers.slice() : result;
  }
}

/** What an answer says, or why there is none: `receive` ETIMEDOUT, `message` EBADMSG. */
function parsed<T>(
  answer: Uint8Array | NativeFailure | undefined,
  parse: (bytes: Uint8Array) => T | undefined,
): T | NativeFailure {
  if (answer === undefined) return { operation: 'receive', errno: ETIMEDOUT };
  if ('errno' in answer) return answer;
  return parse(answer) ?? { operation: 'message', errno: EBADMSG };
}
