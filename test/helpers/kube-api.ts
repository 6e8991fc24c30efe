import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ApiAccess } from '../../exporter/kubernetes/api/access.js';

export interface ContainerStub {
  readonly name: string;
  /** 64 hexadecimal digits; none while the container is being made. */
  readonly id?: string;
  /** The id of its life before. */
  readonly lastId?: string;
  readonly kind?: 'init' | 'ephemeral';
}

export interface PodStub {
  readonly uid: string;
  readonly name: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly containers?: readonly ContainerStub[];
  /** Something that changes without changing a name. */
  readonly ready?: boolean;
}

/** How one request is answered instead of properly. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** 200 with this body. */
  | { readonly body: string }
  /** The connection is cut without an answer. */
  | 'reset'
  /** Never answered. */
  | 'silence'
  /** A written Event is taken, and the connection cut before the answer; elsewhere as 'reset'. */
  | 'lost answer';

export interface KubeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
  /** performance.now() of its arrival. */
  readonly at: number;
}

/** A condition of a node as the server keeps it. */
export type StoredCondition = Readonly<Record<string, string>>;

/** An Event as the server keeps it. */
export interface StoredEvent {
  metadata: { name: string; namespace: string; annotations: Record<string, string> };
  involvedObject: Record<string, string>;
  message: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  [field: string]: unknown;
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: PodJson;
}

interface Watcher {
  readonly response: ServerResponse;
  readonly node: string | undefined;
  readonly bookmarks: boolean;
}

export interface KubeApiOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Pods on one page of a list, whatever larger number the client asks for. */
  readonly pageSize?: number;
}

export const NODE = 'gpu-node-1';
const EVENTS = /^\/api\/v1\/namespaces\/([a-z0-9-]+)\/events(?:\/([a-z0-9.-]+))?$/;
const NODES = /^\/api\/v1\/nodes\/([a-z0-9.-]+)\/status$/;
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const GONE = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410 };

/**
 * The pods endpoint of a Kubernetes API server, with its list and watch semantics: one version over all changes, field
 * selectors, pages, bookmarks, JSON lines in chunks, time-outs, compacted history. Its Events endpoint, as far as they are created and
 * patched, with the checks of the real one. The status of nodes, as far as conditions go. And all that goes wrong.
 */
export class KubeApi {
  readonly requests: KubeRequest[] = [];
  /** Answers for the next requests, list, watch, writes of Events, or the status of a node, before things go properly again. */
  readonly faults: Record<'list' | 'watch' | 'write' | 'node', Fault[]> = { list: [], watch: [], write: [], node: [] };
  /** By name. */
  readonly events = new Map<string, StoredEvent>();
  /** Whether the one who asks may create and patch Events. */
  mayWrite = { create: true, patch: true };
  /** Conditions by type, of each node there is. */
  readonly nodes = new Map<string, Map<string, StoredCondition>>([[NODE, new Map()]]);
  /** Whether the one who asks may read and write the status of nodes. */
  mayNode = { get: true, patch: true };
  /** Namespaces that are not there, and those that are being deleted. */
  readonly missing = new Set<string>();
  readonly terminating = new Set<string>();
  /** What a request must carry; undefined lets everyone in. */
  token: string | undefined;
  /** Whether the one who asks may list and watch pods. */
  granted = true;
  /** How a watch from before the compaction is refused. Servers do both. */
  goneAs: 'status' | 'event' = 'status';
  /** Before a list is answered. */
  listDelayMs = 0;

  readonly #options: KubeApiOptions;
  readonly #pods = new Map<string, PodJson>();
  readonly #history: Change[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 1000;
  #compacted = 0;
  #server: Server;
  #port = 0;

  private constructor(options: KubeApiOptions) {
    this.#options = options;
    this.#server = this.#create();
  }

  static async open(t: { after(close: () => Promise<void>): void }, options: KubeApiOptions = {}): Promise<KubeApi> {
    const api = new KubeApi(options);
    await api.up();
    t.after(() => api.down());
    return api;
  }

  get url(): string {
    return `http${this.#options.tls ? 's' : ''}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  get version(): string {
    return String(this.#version);
  }

  lists(): KubeRequest[] {
    return this.requests.filter(({ method, query }) => method === 'GET' && query['watch'] === undefined);
  }

  watches(): KubeRequest[] {
    return this.requests.filter(({ query }) => query['watch'] !== undefined);
  }

  /** Creates and patches of Events. */
  writes(): KubeRequest[] {
    return this.requests.filter(({ path }) => EVENTS.test(path));
  }

  /** Reads and writes of the status of nodes. */
  nodeRequests(): KubeRequest[] {
    return this.requests.filter(({ path }) => NODES.test(path));
  }

  /** The way there for a client in the same process. */
  access(headers: () => Record<string, string> = () => ({})): ApiAccess {
    return {
      origin: 'the test',
      target: () => Promise.resolve({ server: new URL(this.url), headers: headers(), tls: {} }),
    };
  }

  /** Starts to listen, on the port it had before if there was one. */
  async up(): Promise<void> {
    if (this.#server.listening) return;
    this.#server = this.#create();
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async down(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Makes a pod, or changes it. */
  put(pod: PodStub): void {
    const version = ++this.#version;
    const object = podJson(pod, version);
    const type = this.#pods.has(pod.uid) ? 'MODIFIED' : 'ADDED';
    this.#pods.set(pod.uid, object);
    this.#change({ version, type, object });
  }

  delete(uid: string): void {
    const version = ++this.#version;
    const last = this.#pods.get(uid);
    if (last === undefined) return;
    this.#pods.delete(uid);
    this.#change({ version, type: 'DELETED', object: withVersion(last, version) });
  }

  /** Time passes without a change to this node's pods; watchers who want to know are told how far they are. */
  bookmark(): void {
    const version = (this.#version += 10);
    const line = { type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion: String(version) } } };
    for (const { response, bookmarks } of this.#watchers) if (bookmarks) send(response, line);
  }

  /** Forgets how the present came about. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history.length = 0;
  }

  /** Writes into every watch, whatever it is. */
  inject(text: string): void {
    for (const { response } of this.#watchers) response.write(text);
  }

  /** Ends every watch as the server does when its time is up. */
  endWatches(): void {
    for (const { response } of this.#detached()) response.end();
  }

  /** Cuts every connection, after these bytes. */
  dropWatches(after = ''): void {
    for (const { response } of this.#detached()) {
      if (after === '') response.destroy();
      else response.write(after, () => response.destroy());
    }
  }

  /** The watches of now, which will be told nothing more. */
  #detached(): Watcher[] {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    return watchers;
  }

  #create(): Server {
    const handle = (request: IncomingMessage, response: ServerResponse): void => this.#handle(request, response);
    return this.#options.tls ? createTlsServer(this.#options.tls, handle) : createServer(handle);
  }

  #change(change: Change): void {
    this.#history.push(change);
    for (const watcher of this.#watchers) this.#tell(watcher, change);
  }

  #tell({ response, node }: Watcher, { type, object }: Change): void {
    if (node === undefined || object.spec.nodeName === node) send(response, { type, object });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://stub');
    const query = Object.fromEntries(url.searchParams);
    const { authorization } = request.headers;
    const method = request.method ?? '';
    this.requests.push({ method, path: url.pathname, query, authorization, at: performance.now() });
    if (method !== 'GET') return this.#handleWrite(request, response, url.pathname);
    const [, node] = NODES.exec(url.pathname) ?? [];
    const kind = node === undefined ? (query['watch'] === undefined ? 'list' : 'watch') : 'node';
    const fault = this.faults[kind].shift();
    if (fault !== undefined) return misbehave(fault, response);
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) return refuse(response, 401);
    if (node !== undefined) return this.#node(response, node, 'get');
    if (!this.granted) return refuse(response, 403);
    if (url.pathname !== '/api/v1/pods') return refuse(response, 404);
    const selector = /^spec\.nodeName=([a-z0-9.-]+)$/.exec(query['fieldSelector'] ?? '');
    if (query['fieldSelector'] !== undefined && selector === null) return refuse(response, 400);
    if (query['watch'] === 'true') this.#watch(response, query, selector?.[1]);
    else setTimeout(() => this.#list(response, query, selector?.[1]), this.listDelayMs);
  }

  #handleWrite(request: IncomingMessage, response: ServerResponse, path: string): void {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { authorization } = request.headers;
      const [, namespace = '', name] = EVENTS.exec(path) ?? [];
      const [, node] = NODES.exec(path) ?? [];
      const kind = node !== undefined ? 'node' : namespace === '' ? undefined : 'write';
      const fault = kind && this.faults[kind].shift();
      if (fault !== undefined && fault !== 'lost answer') return misbehave(fault, response);
      if (this.token !== undefined && authorization !== `Bearer ${this.token}`) return refuse(response, 401);
      const body = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
      const type = request.headers['content-type'];
      if (path === REVIEWS) return this.#review(response, body);
      if (node !== undefined) {
        if (request.method !== 'PATCH' || type !== 'application/strategic-merge-patch+json')
          return refuse(response, 415);
        return this.#node(response, node, 'patch', body);
      }
      if (namespace === '') return refuse(response, 404);
      const wanted = request.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      if (type !== wanted) return refuse(response, 415);
      // What has been written on a closed connection goes nowhere.
      if (fault === 'lost answer') response.destroy();
      this.#write(response, { namespace, name }, body);
    });
  }

  #review(response: ServerResponse, review: Record<string, unknown>): void {
    const { verb, resource, subresource, group } = (review as { spec: { resourceAttributes: Record<string, string> } })
      .spec.resourceAttributes;
    const granted: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
      events: this.mayWrite,
      'nodes/status': this.mayNode,
    };
    const what = subresource === undefined ? resource : `${resource}/${subresource}`;
    const allowed = group === '' && granted[what ?? '']?.[verb ?? ''] === true;
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...review, status: { allowed } }));
  }

  /** As the registry of Events and the admission of namespaces do (pkg/apis/core/validation/events.go, Kubernetes 1.36). */
  #write(
    response: ServerResponse,
    { namespace, name }: { namespace: string; name: string | undefined },
    body: Record<string, unknown>,
  ): void {
    const verb = name === undefined ? 'create' : 'patch';
    if (!this.mayWrite[verb])
      return refuse(response, 403, `events is forbidden: User "system:serviceaccount:x" cannot ${verb}`);
    if (this.missing.has(namespace)) return refuse(response, 404, `namespaces "${namespace}" not found`);
    if (this.terminating.has(namespace) && verb === 'create') {
      return refuse(response, 403, 'because it is being terminated', [{ reason: 'NamespaceTerminating' }]);
    }
    const before = name === undefined ? undefined : this.events.get(name);
    if (name !== undefined && before === undefined) return refuse(response, 404, `events "${name}" not found`);
    const event = (before ? merge(before, body) : body) as StoredEvent;
    if (verb === 'create' && this.events.has(event.metadata.name)) return refuse(response, 409, 'already exists');
    const about = event.involvedObject['namespace'] ?? 'default';
    if (event.metadata.namespace !== namespace || about !== namespace) {
      return refuse(response, 422, 'does not match event.namespace');
    }
    this.events.set(event.metadata.name, event);
    response.writeHead(before ? 200 : 201, { 'content-type': 'application/json' });
    response.end(JSON.stringify(event));
  }

  /** Conditions are merged by their type, as x-kubernetes-patch-merge-key of the API says. */
  #node(response: ServerResponse, name: string, verb: 'get' | 'patch', patch?: Record<string, unknown>): void {
    if (!this.mayNode[verb]) return refuse(response, 403, `nodes "${name}" is forbidden: User "x" cannot ${verb}`);
    const conditions = this.nodes.get(name);
    if (conditions === undefined) return refuse(response, 404, `nodes "${name}" not found`);
    const given = (patch as { status?: { conditions?: StoredCondition[] } } | undefined)?.status?.conditions ?? [];
    for (const condition of given) {
      const type = condition['type'];
      if (type === undefined) return refuse(response, 400, 'map does not contain key: type');
      conditions.set(type, { ...conditions.get(type), ...condition });
    }
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady' };
    const node = {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: { name },
      status: { conditions: [ready, ...conditions.values()] },
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(node));
  }

  #list(response: ServerResponse, query: Record<string, string>, node: string | undefined): void {
    const all = [...this.#pods.values()].filter(({ spec }) => node === undefined || spec.nodeName === node);
    const offset = Number(query['continue'] ?? 0);
    const size = Math.min(Number(query['limit'] ?? Infinity), this.#options.pageSize ?? Infinity);
    const rest = offset + size < all.length ? { continue: String(offset + size) } : {};
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        kind: 'PodList',
        apiVersion: 'v1',
        metadata: { resourceVersion: this.version, ...rest },
        items: all.slice(offset, offset + size),
      }),
    );
  }

  #watch(response: ServerResponse, query: Record<string, string>, node: string | undefined): void {
    const from = Number(query['resourceVersion']);
    if (!Number.isInteger(from)) return refuse(response, 400);
    if (from < this.#compacted && this.goneAs === 'status') return refuse(response, 410);
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    if (from < this.#compacted) {
      send(response, { type: 'ERROR', object: GONE });
      response.end();
      return;
    }
    const watcher = { response, node, bookmarks: query['allowWatchBookmarks'] === 'true' };
    for (const change of this.#history) if (change.version > from) this.#tell(watcher, change);
    this.#watchers.add(watcher);
    const timer = setTimeout(() => response.end(), Number(query['timeoutSeconds'] ?? 1800) * 1000);
    response.on('close', () => {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    });
  }
}

type PodJson = ReturnType<typeof podJson>;

/** The fields of a pod that matter, and some that do not. */
function podJson(pod: PodStub, version: number) {
  const { uid, name, namespace = 'default', node = NODE, annotations = {}, containers = [], ready = true } = pod;
  const ofKind = (kind?: ContainerStub['kind']) => containers.filter((container) => container.kind === kind);
  return {
    metadata: { name, namespace, uid, annotations, resourceVersion: String(version), labels: { app: name } },
    spec: {
      nodeName: node,
      containers: ofKind().map(spec),
      ...(ofKind('init').length > 0 && { initContainers: ofKind('init').map(spec) }),
      ...(ofKind('ephemeral').length > 0 && { ephemeralContainers: ofKind('ephemeral').map(spec) }),
    },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: String(ready) }],
      containerStatuses: ofKind().map(status),
      initContainerStatuses: ofKind('init').map(status),
      ephemeralContainerStatuses: ofKind('ephemeral').map(status),
    },
  };
}

function spec({ name }: ContainerStub) {
  return { name, image: 'registry.example/image:1' };
}

function status({ name, id, lastId }: ContainerStub) {
  const containerID = id === undefined ? '' : `containerd://${id}`;
  const state = id === undefined ? { waiting: { reason: 'ContainerCreating' } } : { running: {} };
  const lastState =
    lastId === undefined ? {} : { terminated: { exitCode: 137, containerID: `containerd://${lastId}` } };
  return { name, containerID, state, lastState };
}

function withVersion(object: PodJson, version: number): PodJson {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

function send(response: ServerResponse, value: unknown): void {
  response.write(`${JSON.stringify(value)}\n`);
}

function refuse(response: ServerResponse, code: number, message = '', causes: readonly object[] = []): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message, details: { causes } }),
  );
}

/** A JSON merge patch (RFC 7396) without null, which would take a field away. */
function merge(before: object, patch: object): object {
  const merged: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(patch) as [string, unknown][]) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    merged[key] = isObject ? merge((merged[key] as object | undefined) ?? {}, value) : value;
  }
  return merged;
}

function misbehave(fault: Fault, response: ServerResponse): void {
  if (fault === 'silence') return;
  if (fault === 'reset' || fault === 'lost answer') {
    response.destroy();
    return;
  }
  response.writeHead('status' in fault ? fault.status : 200, 'headers' in fault ? fault.headers : {});
  response.end(fault.body ?? '');
}
