import {
  CONTAINER,
  hierarchies,
  isUnit,
  podUidOf,
  segmentsOf,
  SLURM,
  SLURM_JOB,
  USER_MANAGER,
  USER_SLICE,
} from './cgroup.js';

/** Far above what real paths give. */
const MOST_CHARACTERS = 512;

/** What says most about whose process it is, first: with cgroup v1, one hierarchy can name the job and another one only slurmd. */
const MOST_TELLING = ['pod:', 'slurm:', 'container:', 'unit:', 'user:'];

/**
 * Whose process it is, in words that the process cannot choose: every pod, container, job, unit and user around it, from the root of
 * its cgroup path inwards, such as `pod:<uid>` or `user:1000/unit:train.service`. A workload that may make cgroups below its own can
 * give them any name (a container with a writable mount, a user's own systemd), but what is above stays in front of it, so that
 * nobody gets the owner of another one. All of a pod is one owner.
 *
 * @param text of /proc/<pid>/cgroup; total
 * @returns '' for a process of no workload
 */
export function cgroupOwner(text: string): string {
  const owners = hierarchies(text).map(ownerInPath);
  for (const kind of MOST_TELLING) {
    const owner = owners.find((parts) => parts.some((part) => part.startsWith(kind)))?.join('/');
    if (owner !== undefined) return owner.length <= MOST_CHARACTERS ? owner : '';
  }
  return '';
}

/** The part of an owner that names what the rest was made by: all that one user, pod or service can make shares it. */
export function principalOf(owner: string): string {
  return owner.split('/', 1)[0] ?? owner;
}

/** Whether everything below its first part was named by a user, who may call a container of theirs like one of a pod. */
export function isNamedByUser(owner: string): boolean {
  return principalOf(owner).startsWith('user:');
}

function ownerInPath(path: string): string[] {
  const parts: string[] = [];
  let underSlurm = false;
  const isIn = (kind: string): boolean => parts.some((part) => part.startsWith(kind));
  for (const segment of segmentsOf(path)) {
    const pod = podUidOf(segment);
    const user = (USER_SLICE.exec(segment) ?? USER_MANAGER.exec(segment))?.[1];
    const container = CONTAINER.exec(segment)?.[1];
    const job = underSlurm ? SLURM_JOB.exec(segment)?.[1] : undefined;
    if (pod !== '') parts.push(`pod:${pod}`);
    else if (isIn('pod:')) continue;
    else if (container !== undefined) parts.push(`container:${container}`);
    else if (job !== undefined) parts.push(`slurm:${job}`);
    else if (user !== undefined && !parts.includes(`user:${user}`)) parts.push(`user:${user}`);
    else if (isUnitOfItsOwn(segment) && !isIn('container:') && !isIn('slurm:')) parts.push(`unit:${segment}`);
    underSlurm ||= SLURM.test(segment);
  }
  return parts;
}

/** Neither systemd itself nor the service around a user's or Slurm's processes. */
function isUnitOfItsOwn(segment: string): boolean {
  return isUnit(segment) && segment !== 'init.scope' && !USER_MANAGER.test(segment) && !SLURM.test(segment);
}
