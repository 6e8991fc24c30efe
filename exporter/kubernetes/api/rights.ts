import type { FeatureReport } from '../../features.js';
import { notAccepted, type ApiAccess } from './access.js';
import { ApiError, apiSend, type ApiSendOptions } from './request.js';

/** The state of a feature, as far as the API server can tell. */
export type ApiRights = Pick<FeatureReport, 'state' | 'reason' | 'fix'>;

/** Something that an account may do; in every namespace unless one is named. */
export interface Right {
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly verbs: readonly string[];
}

/** What a feature asks of its account. */
export interface WantedRights {
  readonly rights: readonly Right[];
  /** How to grant them. */
  readonly fix: string;
}

/** To write Events on pods: one verb makes an Event, the other updates its count. */
export const EVENT_RIGHTS: WantedRights = {
  rights: [{ resource: 'events', verbs: ['create', 'patch'] }],
  fix: 'Grant create and patch on events in every namespace (ClusterRole and ClusterRoleBinding) to the service account; the Helm chart does with events.kubernetesEvents=true.',
};

/** Where the API server keeps Events of objects that have no namespace. */
export const NODE_EVENTS_NAMESPACE = 'default';

/** To write a condition of the node, and an Event when it changes. */
export const NODE_CONDITION_RIGHTS: WantedRights = {
  rights: [
    { resource: 'nodes', subresource: 'status', verbs: ['get', 'patch'] },
    { resource: 'events', namespace: NODE_EVENTS_NAMESPACE, verbs: ['create'] },
  ],
  fix: 'Grant get and patch on nodes/status (ClusterRole) and create on events in namespace default (Role) to the service account; the Helm chart does with events.kubernetesNodeCondition=true.',
};

export const NO_API_ACCESS: ApiRights = {
  state: 'unsupported',
  reason: 'there is neither a service account nor KUBECONFIG',
  fix: 'Run in a pod with a service account token mounted, or set KUBECONFIG.',
};
export const REACH_API = 'Check that pods on this node can reach the API server.';

const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

type ReviewOptions = Pick<ApiSendOptions, 'signal' | 'deadlineMs'>;

/** Asks the API server whether this account may do that. Every account may ask that about itself, and nothing changes. Never rejects. */
export async function reviewRights(
  access: ApiAccess,
  { rights, fix }: WantedRights,
  options: ReviewOptions,
): Promise<ApiRights> {
  try {
    const missing = await Promise.all(rights.map((right) => missingOf(access, right, options)));
    const said = missing.filter((text) => text !== '').join(', nor ');
    if (said === '') return { state: 'active', reason: '', fix: '' };
    return { state: 'denied', reason: `${access.origin} may not ${said}`, fix };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return notAccepted(access);
    return { state: 'unsupported', reason: `the API server gave no usable answer: ${seenOf(error)}`, fix: REACH_API };
  }
}

/** What became of a request, for people: the code of the system where there is one. */
export function seenOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return error instanceof ApiError || typeof code !== 'string' ? message : code;
}

/** The verbs of a right that are not granted, as the end of a sentence; empty when all are. */
async function missingOf(access: ApiAccess, right: Right, options: ReviewOptions): Promise<string> {
  const { resource, subresource, namespace, verbs } = right;
  const allowed = await Promise.all(verbs.map((verb) => isAllowed(access, right, verb, options)));
  const missing = verbs.filter((_, index) => !allowed[index]);
  if (missing.length === 0) return '';
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  const where = namespace === undefined ? 'in every namespace' : `in namespace ${namespace}`;
  return [missing.join(' and '), what, ...(resource === 'nodes' ? [] : [where])].join(' ');
}

async function isAllowed(
  access: ApiAccess,
  { resource, subresource, namespace }: Right,
  verb: string,
  options: ReviewOptions,
): Promise<boolean> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { verb, group: '', resource, subresource, namespace } },
  };
  const write = { method: 'POST', path: REVIEWS, object: review } as const;
  const answer = await apiSend(await access.target(), write, { ...options, userAgent: 'xe-exporter' });
  const allowed = (answer as { status?: { allowed?: unknown } } | null)?.status?.allowed;
  if (typeof allowed !== 'boolean') throw new SyntaxError('the API server does not answer the access review');
  return allowed;
}
