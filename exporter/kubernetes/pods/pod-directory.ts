/** What a cgroup path says about a process. Either field may be empty. */
export interface PodQuery {
  readonly containerId: string;
  /** As the kubelet writes it into cgroup paths; for a static pod this is not the uid that the API shows. */
  readonly podUid: string;
}

/** The names behind a query. Each one follows Kubernetes' rules for names. */
export interface PodName {
  readonly namespace: string;
  readonly pod: string;
  /** Empty while only the pod is known: the status of its container may not have been written yet. */
  readonly container: string;
  readonly podUid: string;
  /** Only for a static pod: the uid the kubelet uses. {@link podUid} is then that of its mirror in the API. */
  readonly staticPodUid?: string;
}

/** Names of the pods and containers on this node. Bounded. */
export interface PodDirectory {
  /** Answers at once from memory. What is unknown now may become known later: see {@link onChange}. */
  lookup(query: PodQuery): PodName | undefined;
  /** Resolves when the first names have arrived, or after a short deadline. Never rejects. */
  start(): Promise<void>;
  /** Resolves when no request is in flight. Known names can still be looked up. */
  stop(): Promise<void>;
  /** Called when an earlier answer may have improved; once for many changes. */
  onChange(listener: () => void): void;
}

/** RFC 1123 labels and subdomains: what the API server accepts as the name of a namespace, container, pod or node. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

export function isDnsLabel(name: unknown): name is string {
  return typeof name === 'string' && LABEL.test(name);
}

export function isDnsSubdomain(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 253 && SUBDOMAIN.test(name);
}

/** A uid in one of its two forms: with dashes, or the 32 hexadecimal digits of a static pod's hash. */
export function isPodUid(uid: unknown): uid is string {
  return typeof uid === 'string' && /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/.test(uid);
}
