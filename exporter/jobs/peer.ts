import type { Workload } from '../clients/client.js';
import { codedError, type CodedError } from '../errors.js';
import type { PeerConnection } from '../native/binding.js';
import { errnoName } from '../wire/errno.js';

/** Who made a connection. */
export interface Peer {
  /** See cgroupOwner(); '' for one that is nobody. */
  readonly owner: string;
  /** As it is named now: names can arrive after processes. */
  readonly workload: () => Workload | undefined;
  /** Why it cannot be told anything. */
  readonly problem?: CodedError;
}

/** The workload of a process, by the text of its cgroup file. @param pid as the procfs of the exporter shows it */
export type WorkloadOf = (cgroup: string, pid: number) => Workload | undefined;

/** Reads what the kernel said about the process that called connect(). */
export function identifyPeer({ pid, cgroup, failure }: PeerConnection, workloadOf: WorkloadOf): Peer {
  if (failure !== undefined) return nobody(failureProblem(pid, failure));
  if (pid === 0) return nobody(codedError('XEE_JOBS_PEER_UNSEEN', {}));
  const text = Buffer.from(cgroup).toString('utf8');
  const owner = workloadOf(text, pid)?.owner;
  if (owner === undefined) return nobody(codedError('XEE_JOBS_NO_WORKLOAD', { pid }));
  return { owner, workload: () => workloadOf(text, pid) };
}

function nobody(problem: CodedError): Peer {
  return { owner: '', workload: () => undefined, problem };
}

function failureProblem(pid: number, { operation, errno }: NonNullable<PeerConnection['failure']>): CodedError {
  if (operation === 'peer_pidfd' || operation === 'peer') return codedError('XEE_JOBS_PEER_GONE', {});
  return codedError('XEE_JOBS_PEER_UNREADABLE', { pid, seen: `${operation} ${errnoName(errno)}` });
}
