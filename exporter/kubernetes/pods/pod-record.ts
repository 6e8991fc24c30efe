import { isDnsLabel, isDnsSubdomain, isPodUid } from './pod-directory.js';

/** What is kept of a pod. */
export interface PodRecord {
  readonly uid: string;
  /** The uid in its cgroup path: for a static pod the kubelet's hash, otherwise the API's uid. */
  readonly cgroupUid: string;
  readonly namespace: string;
  readonly pod: string;
  /** Names by container id, of running containers and their predecessors. */
  readonly containers: ReadonlyMap<string, string>;
  /** The name of the container when the pod has only one: known before its id is. */
  readonly onlyContainer: string;
}

/** A pod as the API sends it. Nothing in it is trusted. */
interface PodJson {
  readonly metadata?: { name?: unknown; namespace?: unknown; uid?: unknown; annotations?: Record<string, unknown> };
  readonly spec?: { nodeName?: unknown } & Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

/** Set by the kubelet on the mirror of a static pod: the uid it goes by on the node. */
const STATIC_POD_HASH = 'kubernetes.io/config.hash';

const STATUS_LISTS = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const;

/** @returns undefined for anything that is not a pod of this node, or has a name that Kubernetes would not accept */
export function parsePod(value: unknown, nodeName: string): PodRecord | undefined {
  const { metadata, spec, status } = (value ?? {}) as PodJson;
  const { name, namespace, uid, annotations } = metadata ?? {};
  if (!isDnsSubdomain(name) || !isDnsLabel(namespace) || !isPodUid(uid) || spec?.nodeName !== nodeName)
    return undefined;
  const hash = annotations?.[STATIC_POD_HASH];
  return {
    uid,
    cgroupUid: isPodUid(hash) ? hash : uid,
    namespace,
    pod: name,
    containers: containersOf(status ?? {}),
    onlyContainer: onlyContainerOf(spec),
  };
}

function containersOf(status: Record<string, unknown>): Map<string, string> {
  const containers = new Map<string, string>();
  for (const container of STATUS_LISTS.flatMap((list) => objects(status[list]))) {
    if (!isDnsLabel(container['name'])) continue;
    const states = [container['lastState'], container['state']].map((state) => object(object(state)['terminated']));
    // The running one last: the newest ids are kept longest.
    for (const text of [...states.map((terminated) => terminated['containerID']), container['containerID']]) {
      const id = containerIdOf(text);
      if (id !== undefined) containers.set(id, container['name']);
    }
  }
  return containers;
}

/** `containerd://<id>`; undefined until the container has been created. */
function containerIdOf(text: unknown): string | undefined {
  return typeof text === 'string' ? /^[a-z][a-z0-9+.-]*:\/\/([0-9a-f]{64})$/.exec(text)?.[1] : undefined;
}

function onlyContainerOf(spec: Record<string, unknown>): string {
  const all = ['containers', 'initContainers', 'ephemeralContainers'].flatMap((list) => objects(spec[list]));
  const name = all.length === 1 ? all[0]?.['name'] : undefined;
  return isDnsLabel(name) ? name : '';
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(object) : [];
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
