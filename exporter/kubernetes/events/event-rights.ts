import type { FeatureReport } from '../../features.js';
import { notAccepted, type ApiAccess } from '../api/access.js';
import { ApiError, apiSend, type ApiSendOptions } from '../api/request.js';

/** The state of the feature, as far as the API server can tell. */
export type EventRights = Pick<FeatureReport, 'state' | 'reason' | 'fix'>;

/** Both are needed: one to create an Event, one to update its count. */
const VERBS = ['create', 'patch'] as const;

const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

export const GRANT_EVENTS =
  'Grant create and patch on events in every namespace (ClusterRole and ClusterRoleBinding) to the service account; the Helm chart does with events.kubernetesEvents=true.';
export const NO_API_ACCESS: EventRights = {
  state: 'unsupported',
  reason: 'there is neither a service account nor KUBECONFIG',
  fix: 'Run in a pod with a service account token mounted, or set KUBECONFIG.',
};
export const EVENTS_OFF: EventRights = { state: 'disabled', reason: 'switched off', fix: '' };
export const REACH_API = 'Check that pods on this node can reach the API server.';

/**
 * Asks the API server whether this account may write Events in every namespace. Every account may ask that about
 * itself, and nothing changes. Never rejects.
 */
export async function reviewEventRights(
  access: ApiAccess,
  options: Pick<ApiSendOptions, 'signal' | 'deadlineMs'>,
): Promise<EventRights> {
  try {
    const allowed = await Promise.all(VERBS.map((verb) => isAllowed(access, verb, options)));
    if (allowed.every(Boolean)) return { state: 'active', reason: '', fix: '' };
    const missing = VERBS.filter((_, index) => !allowed[index]).join(' and ');
    return {
      state: 'denied',
      reason: `${access.origin} may not ${missing} events in every namespace`,
      fix: GRANT_EVENTS,
    };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return notAccepted(access);
    const { code, message } = error as NodeJS.ErrnoException;
    return { state: 'unsupported', reason: `the API server gave no usable answer: ${code ?? message}`, fix: REACH_API };
  }
}

async function isAllowed(
  access: ApiAccess,
  verb: string,
  options: Pick<ApiSendOptions, 'signal' | 'deadlineMs'>,
): Promise<boolean> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { verb, group: '', resource: 'events' } },
  };
  const write = { method: 'POST', path: REVIEWS, object: review } as const;
  const answer = await apiSend(await access.target(), write, { ...options, userAgent: 'xe-exporter' });
  const allowed = (answer as { status?: { allowed?: unknown } } | null)?.status?.allowed;
  if (typeof allowed !== 'boolean') throw new SyntaxError('the API server does not answer the access review');
  return allowed;
}
