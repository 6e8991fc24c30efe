import type { ApiAccess } from '../api/access.js';
import { apiRead, apiSend, type ApiSendOptions } from '../api/request.js';

/** A condition of a node (k8s.io/api/core/v1). Times are RFC 3339, whole seconds. */
export interface NodeCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** One word, for programs. */
  readonly reason: string;
  readonly message: string;
  /** When it was last looked at. */
  readonly lastHeartbeatTime: string;
  /** When the status last changed. */
  readonly lastTransitionTime: string;
}

/** What the API server has of a condition; an older program, or a person, may have written anything. */
export type KnownCondition = Partial<Record<keyof NodeCondition, string>>;

export interface NodeStatusOptions {
  readonly access: ApiAccess;
  readonly nodeName: string;
  /** Deadline of a request, including its answer. */
  readonly requestMs: number;
}

/** Reads and writes one condition in the status of this node, and nothing else of it. */
export class NodeStatus {
  readonly #options: NodeStatusOptions;
  readonly #path: string;

  constructor(options: NodeStatusOptions) {
    this.#options = options;
    this.#path = `/api/v1/nodes/${encodeURIComponent(options.nodeName)}/status`;
  }

  /** @returns undefined when the node does not have it. @throws ApiError; SyntaxError; the error of the connection; AbortError */
  async read(type: string, signal: AbortSignal): Promise<KnownCondition | undefined> {
    const { access } = this.#options;
    return conditionIn(await apiRead(await access.target(), this.#path, this.#with(signal)), type);
  }

  /** Adds the condition or replaces it: the list of conditions is merged by type. @throws as {@link read} */
  async write(condition: NodeCondition, signal: AbortSignal): Promise<void> {
    const object = { status: { conditions: [condition] } };
    const write = { method: 'PATCH', path: this.#path, object, patch: 'strategic-merge' } as const;
    const answer = await apiSend(await this.#options.access.target(), write, this.#with(signal));
    // A proxy or login portal also answers 200.
    if (conditionIn(answer, condition.type)?.status !== condition.status)
      throw new SyntaxError('the API server does not answer with the node');
  }

  #with(signal: AbortSignal): ApiSendOptions {
    return { signal, deadlineMs: this.#options.requestMs, userAgent: 'xe-exporter' };
  }
}

interface NodeJson {
  readonly kind?: unknown;
  readonly status?: { readonly conditions?: unknown };
}

/** @throws SyntaxError when it is not a node */
function conditionIn(answer: unknown, type: string): KnownCondition | undefined {
  const { kind, status } = (answer ?? {}) as NodeJson;
  if (kind !== 'Node') throw new SyntaxError('the API server does not answer with the node');
  const conditions = Array.isArray(status?.conditions) ? (status.conditions as unknown[]) : [];
  const found = conditions.find((one) => (one as { type?: unknown } | null)?.type === type);
  if (found === undefined) return undefined;
  return Object.fromEntries(Object.entries(found as object).filter(([, value]) => typeof value === 'string'));
}
