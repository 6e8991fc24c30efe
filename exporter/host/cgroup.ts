/** What a process belongs to, according to its cgroup path. A field is empty when the path does not say. */
export interface CgroupIdentity {
  /** 64 hexadecimal digits. Inside a pod: the pod's container, also for containers started within it. */
  readonly containerId: string;
  /** With dashes, or 32 hexadecimal digits for a static pod: there it is the kubelet's hash, not the uid in the API. */
  readonly podUid: string;
  /**
   * Service or scope, by the name systemctl knows. Empty inside a pod or Slurm job, where it would be the kubelet or
   * slurmd.
   */
  readonly systemdUnit: string;
  readonly slurmJobId: string;
}

/** A process that no container, unit or job claims. */
export const NO_CGROUP_IDENTITY: CgroupIdentity = Object.freeze({
  containerId: '',
  podUid: '',
  systemdUnit: '',
  slurmJobId: '',
});

/**
 * Above the kernel's own limits on lines, levels and names (hierarchies, PATH_MAX, NAME_MAX); anything beyond is not
 * read.
 */
const LIMIT = { lines: 64, segments: 2048, name: 255 } as const;

/** systemd driver, below whatever slice the kubelet's --cgroup-root names; dashes of the uid are underscores there. */
const POD_SLICE =
  /(?:^|-)kubepods(?:-besteffort|-burstable)?-pod([0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}|[0-9a-f]{32})\.slice$/;
/** cgroupfs driver. A path relative to a cgroup namespace may have lost the levels above. */
const POD_DIRECTORY = /^pod([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/;
/** Monitors (crio-conmon-, libpod-conmon-) carry the id of their container but are not the container. */
export const CONTAINER =
  /^(?:(?:cri-containerd|containerd|nerdctl|crio|docker|libpod|libpod-payload)-)?([0-9a-f]{64})(?:\.scope)?$/;
/**
 * A kubelet with the systemd driver on a runtime with the cgroupfs driver: one directory named `<slice>:<prefix>:<id>`.
 */
const MIXED_DRIVERS = /^(.+\.slice):(cri-containerd|crio|docker):([0-9a-f]{64})$/;
const UNIT = /^[A-Za-z0-9:_.\\@-]+\.(?:service|scope)$/;
const MONITOR = /-conmon-[0-9a-f]{64}\.scope$/;
export const USER_MANAGER = /^user@(\d+)\.service$/;
export const USER_SLICE = /^user-(\d+)\.slice$/;
export const SLURM = /^(?:slurm(?:_.+)?|(?:.+_)?slurmstepd\.scope)$/;
export const SLURM_JOB = /^job_(\d{1,10})$/;

/**
 * Parses /proc/<pid>/cgroup: a line a hierarchy with cgroup v1, one line (`0::/...`) with v2, both with hybrid set-ups.
 * Total: any text gives an identity, and only ids and names in their exact form get into it.
 *
 * Of several pods around a process the innermost counts, which is the right one in kind and k3s. A container with a
 * writable cgroup mount of its own can therefore pass for another pod here; not in cgroup-owner.ts, which decides who may be told what.
 * Below a user's systemd there is no pod and no Slurm job: the user can give cgroups any name there.
 */
export function parseCgroup(text: string): CgroupIdentity {
  const found = hierarchies(text).map(identify);
  const [best = NO_CGROUP_IDENTITY] = found.sort((a, b) => certainty(b) - certainty(a));
  const slurmJobId = found.find((identity) => identity.slurmJobId !== '')?.slurmJobId ?? '';
  const unit = found.find((identity) => identity.systemdUnit !== '')?.systemdUnit ?? '';
  return {
    containerId: detached(best.containerId),
    podUid: detached(best.podUid),
    systemdUnit: best.podUid !== '' || slurmJobId !== '' ? '' : detached(unit),
    slurmJobId: detached(slurmJobId),
  };
}

/**
 * Copies a string: V8 keeps the whole text alive for a slice of it, and identities live as long as their clients. All
 * is ASCII here.
 */
function detached(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** The paths, starting with the hierarchies that systemd manages: where all agree, those are the most precise. */
export function hierarchies(text: string): string[] {
  const lines = text
    .split('\n', LIMIT.lines)
    .map((line) => /^(\d+):([^:]*):(\/.*)$/s.exec(line))
    .filter((match) => match !== null);
  const rank = ([, id, controllers]: RegExpExecArray): number =>
    id === '0' ? 0 : controllers === 'name=systemd' ? 1 : 2;
  return lines.sort((a, b) => rank(a) - rank(b)).map(([, , , path = '']) => path.replace(/ \(deleted\)$/, ''));
}

function certainty({ podUid, containerId }: CgroupIdentity): number {
  return (podUid === '' ? 0 : 2) + (containerId === '' ? 0 : 1);
}

/** Walks one path from the root inwards. */
function identify(path: string): CgroupIdentity {
  const identity = { ...NO_CGROUP_IDENTITY } as { -readonly [Key in keyof CgroupIdentity]: CgroupIdentity[Key] };
  let ofUser = false;
  let underSlurm = false;
  for (const segment of segmentsOf(path)) {
    ofUser ||= USER_SLICE.test(segment) || USER_MANAGER.test(segment);
    const podUid = ofUser ? '' : podUidOf(segment);
    const container = CONTAINER.exec(segment);
    if (podUid !== '') {
      Object.assign(identity, { podUid, containerId: '' });
    } else if (container !== null) {
      // A pod's container can hold containers of its own (docker in docker), for which Kubernetes has no name.
      if (identity.podUid === '' || identity.containerId === '') {
        identity.containerId = container[1] ?? '';
      }
    } else if (identity.podUid === '' && identity.containerId === '' && isUnit(segment)) {
      if (segment !== 'init.scope' || identity.systemdUnit === '') identity.systemdUnit = segment.replace(/^_/, '');
    }
    const job = underSlurm ? SLURM_JOB.exec(segment)?.[1] : undefined;
    if (job !== undefined) identity.slurmJobId = job;
    underSlurm ||= !ofUser && SLURM.test(segment);
  }
  // A service that starts containers (dockerd) is not their unit; a unit that runs one container (podman quadlets) is.
  const aroundContainer = !USER_MANAGER.test(identity.systemdUnit) && identity.systemdUnit.endsWith('.service');
  if (identity.containerId !== '' && !aroundContainer) identity.systemdUnit = '';
  return identity;
}

/** The levels of one path from the root inwards. */
export function segmentsOf(path: string): string[] {
  return path
    .split('/', LIMIT.segments)
    .filter((segment) => segment !== '' && segment.length <= LIMIT.name)
    .flatMap((segment) => {
      const [, slice = segment, prefix, id = ''] = MIXED_DRIVERS.exec(segment) ?? [];
      return prefix === undefined ? [slice] : [slice, `${prefix}-${id}`];
    });
}

/** @returns the uid of the pod that a level stands for, or '' */
export function podUidOf(segment: string): string {
  const uid = (POD_SLICE.exec(segment) ?? POD_DIRECTORY.exec(segment))?.[1];
  return uid?.replaceAll('_', '-') ?? '';
}

/** Whether a level is a service or scope of systemd, and not the monitor of a container. */
export function isUnit(segment: string): boolean {
  return UNIT.test(segment) && !MONITOR.test(segment);
}
