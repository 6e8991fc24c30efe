import { NO_CGROUP_IDENTITY, readCgroup, type CgroupIdentity } from '../host/cgroup.js';
import type { PodDirectory } from '../kubernetes/pods/pod-directory.js';
import type { Workload } from './client.js';

/** Who a process belongs to, in ids: read while it lives, and good for ever. Names are put to it later. */
export type WorkloadIdentity = CgroupIdentity;

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
   * Reads the ids, from one small file. To be asked before the watch is placed: afterwards the process may be gone. Never
   * rejects; a process that is gone, or may not be looked at, belongs to nobody.
   */
  async identify(pid: number): Promise<WorkloadIdentity> {
    return readCgroup(this.#procRoot, pid).catch(() => NO_CGROUP_IDENTITY);
  }

  /**
   * Puts names to ids, from memory. To be asked again when the directory has changed: names can come later than processes.
   * @returns undefined for a process that is in no container, unit or job
   */
  name(identity: WorkloadIdentity): Workload | undefined {
    const { containerId, podUid, systemdUnit, slurmJobId } = identity;
    if (containerId === '' && podUid === '' && systemdUnit === '' && slurmJobId === '') return undefined;
    const found = containerId === '' && podUid === '' ? undefined : this.#pods?.lookup({ containerId, podUid });
    return Object.freeze({
      containerId,
      podUid: found?.podUid || podUid,
      namespace: found?.namespace ?? '',
      pod: found?.pod ?? '',
      container: found?.container ?? '',
      ...(found?.staticPodUid && { staticPodUid: found.staticPodUid }),
      ...(systemdUnit !== '' && { systemdUnit }),
      ...(slurmJobId !== '' && { slurmJobId }),
    });
  }
}
