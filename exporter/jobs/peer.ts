import { workloadIdentity, type WorkloadIdentity } from '../clients/workload.js';
import { codedError, type CodedError } from '../errors.js';
import type { PeerConnection } from '../native/binding.js';
import { errnoName } from '../wire/errno.js';

/** Who made a connection: a workload, or why it cannot be told anything. */
export type Peer = Pick<WorkloadIdentity, 'owner'> & { readonly problem?: CodedError };

/** Reads what the kernel said about the process that called connect(). */
export function identifyPeer({ pid, cgroup, failure }: PeerConnection): Peer {
  if (failure !== undefined) return { owner: '', problem: failureProblem(pid, failure) };
  if (pid === 0) return { owner: '', problem: codedError('XEE_JOBS_PEER_UNSEEN', {}) };
  const { owner } = workloadIdentity(Buffer.from(cgroup).toString('utf8'));
  return owner === '' ? { owner, problem: codedError('XEE_JOBS_NO_WORKLOAD', { pid }) } : { owner };
}

function failureProblem(pid: number, { operation, errno }: NonNullable<PeerConnection['failure']>): CodedError {
  if (operation === 'peer_pidfd' || operation === 'peer') return codedError('XEE_JOBS_PEER_GONE', {});
  return codedError('XEE_JOBS_PEER_UNREADABLE', { pid, seen: `${operation} ${errnoName(errno)}` });
}
