import type { ApiAccess } from '../api/access.js';
import { apiSend, type ApiWrite } from '../api/request.js';

/** The fields of a core/v1 Event that the exporter writes (k8s.io/api/core/v1, Kubernetes 1.19 to 1.36). */
export interface ApiEvent {
  readonly apiVersion: 'v1';
  readonly kind: 'Event';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly involvedObject: {
    readonly kind: 'Pod' | 'Node';
    readonly apiVersion: 'v1';
    /** Absent for a node, which is in none. */
    readonly namespace?: string;
    readonly name: string;
    /**
     * What `kubectl describe` looks for: for a static pod the kubelet's uid, not the API's; for a node its name, as the kubelet has it. Absent
     * when unknown: the Event is then found by name.
     */
    readonly uid?: string;
  };
  readonly type: 'Warning' | 'Normal';
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  /** RFC 3339, whole seconds. */
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string; readonly host: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
}

export interface ApiEventsOptions {
  readonly access: ApiAccess;
  /** Deadline of a request, including its answer. */
  readonly requestMs: number;
}

/**
 * Writes Events. Uses core/v1 because it allows message, count and last time of an Event to be updated, and
 * `kubectl describe pod` shows all three. events.k8s.io/v1 forbids the first and keeps the others in a series.
 */
export class ApiEvents {
  readonly #options: ApiEventsOptions;

  constructor(options: ApiEventsOptions) {
    this.#options = options;
  }

  /** @throws ApiError, with 409 when there is one of that name; SyntaxError; the error of the connection; AbortError */
  create(event: ApiEvent, signal: AbortSignal): Promise<void> {
    return this.#send({ method: 'POST', path: pathOf(event), object: event }, event, signal);
  }

  /** Updates an Event. @throws as {@link create}, with 404 when it is gone: Events expire after an hour */
  update(event: ApiEvent, signal: AbortSignal): Promise<void> {
    const { message, count, lastTimestamp, metadata } = event;
    const object = { message, count, lastTimestamp, metadata: { annotations: metadata.annotations } };
    const path = `${pathOf(event)}/${encodeURIComponent(metadata.name)}`;
    return this.#send({ method: 'PATCH', path, object }, event, signal);
  }

  async #send(write: ApiWrite, { metadata: { name } }: ApiEvent, signal: AbortSignal): Promise<void> {
    const { access, requestMs } = this.#options;
    const options = { signal, deadlineMs: requestMs, userAgent: 'xe-exporter' };
    const answer = await apiSend(await access.target(), write, options);
    // A proxy or login portal also answers 200.
    if (!isNamed(answer, name)) throw new SyntaxError('the API server does not answer with the Event');
  }
}

function pathOf({ metadata: { namespace } }: ApiEvent): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
}

function isNamed(answer: unknown, name: string): boolean {
  return (answer as { metadata?: { name?: unknown } } | null)?.metadata?.name === name;
}

/** The time of an Event or a condition: RFC 3339 in whole seconds, as the API has them. @param ms since the epoch */
export function apiTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
