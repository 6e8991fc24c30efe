/** What a cgroup path says of a process. Either field may be empty. */
export interface PodQuery {
  readonly containerId: string;
  /** As the kubelet writes it into cgroup paths: for a static pod not the uid that the API shows. */
  readonly podUid: string;
}

/** The names behind a query; every one of them obeys Kubernetes' own rules for names. */
export interface PodName {
  readonly namespace: string;
  readonly pod: string;
  /** Empty while only the pod is known: its container's status may not have been written yet. */
  readonly container: string;
  readonly podUid: string;
  /** Of a static pod only: the uid the kubelet knows it by. {@link podUid} is then the one of its mirror in the API. */
  readonly staticPodUid?: string;
}

/** Who is who on this node. Bounded; JavaScript thread only. */
export interface PodDirectory {
  /** Answers at once from memory. What is not known may become known: see {@link onChange}. */
  lookup(query: PodQuery): PodName | undefined;
  /** Resolves when the first names are there, or after a short deadline without them. Never rejects. */
  start(): Promise<void>;
  /** Resolves when nothing is under way any more. Names known so far can still be asked for. */
  stop(): Promise<void>;
  /** Called when an earlier answer may have become better; once for many changes at a time. */
  onChange(listener: () => void): void;
}

/** RFC 1123 labels and subdomains: what the API server admits as the name of a namespace, a container, a pod, a node. */
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
