import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NO_CGROUP_IDENTITY, parseCgroup, type CgroupIdentity } from '../host/cgroup.js';
import { cgroupOwner, isNamedByUser } from '../host/cgroup-owner.js';
import type { PodDirectory } from '../kubernetes/pods/pod-directory.js';
import type { Workload } from './client.js';

/** Who a process belongs to, as ids: read while it lives and valid for ever. Names are added later. */
export interface WorkloadIdentity extends CgroupIdentity {
  /** See {@link cgroupOwner}. */
  readonly owner: string;
}

/** A process that belongs to nothing, or that is gone. */
export const NO_WORKLOAD: WorkloadIdentity = Object.freeze({ ...NO_CGROUP_IDENTITY, owner: '' });

/** What a cgroup file says. Total. @param cgroup the text of /proc/<pid>/cgroup */
export function workloadIdentity(cgroup: string): WorkloadIdentity {
  return { ...parseCgroup(cgroup), owner: cgroupOwner(cgroup) };
}

export interface WorkloadResolverOptions {
  readonly procRoot: string;
  /** Names for container ids and pod uids; without it they stay ids. */
  readonly pods?: PodDirectory;
}

/** From a process to the container, pod, unit or job it belongs to. */
export class WorkloadResolver {
  readonly #procRoot: string;
  readonly #pods: PodDirectory | undefined;

  constructor({ procRoot, pods }: WorkloadResolverOptions) {
    this.#procRoot = procRoot;
    this.#pods = pods;
  }

  /**
   * Reads the ids from one small file. Call it before the watch is placed: afterwards the process may be gone. Never
   * rejects; a process that is gone or cannot be inspected has no workload.
   */
  async identify(pid: number): Promise<WorkloadIdentity> {
    return readFile(join(this.#procRoot, String(pid), 'cgroup'), 'utf8').then(workloadIdentity, () => NO_WORKLOAD);
  }

  /**
   * Resolves ids to names, from memory. Call it again when the directory has changed: names can arrive after processes.
   * @returns undefined for a process that is in no container, unit or job
   */
  name(identity: WorkloadIdentity): Workload | undefined {
    const { containerId, podUid, systemdUnit, slurmJobId, owner } = identity;
    if (containerId === '' && podUid === '' && systemdUnit === '' && slurmJobId === '') return undefined;
    const mayBePod = (containerId !== '' || podUid !== '') && !isNamedByUser(owner);
    const found = mayBePod ? this.#pods?.lookup({ containerId, podUid }) : undefined;
    return Object.freeze({
      containerId,
      podUid: found?.podUid || podUid,
      namespace: found?.namespace ?? '',
      pod: found?.pod ?? '',
      container: found?.container ?? '',
      ...(found?.staticPodUid && { staticPodUid: found.staticPodUid }),
      ...(systemdUnit !== '' && { systemdUnit }),
      ...(slurmJobId !== '' && { slurmJobId }),
      ...(owner !== '' && { owner }),
    });
  }
}
