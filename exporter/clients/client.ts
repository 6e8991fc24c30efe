import type { XeDevice } from '../host/device.js';

/** The container or pod a client runs in; the labels of the per-client series. Every field may be empty. */
export interface Workload {
  readonly containerId: string;
  readonly podUid: string;
  /** Only for a static pod: the uid the kubelet uses, while {@link podUid} is that of its mirror in the API. */
  readonly staticPodUid?: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** The service or scope that runs it outside Kubernetes and Slurm, by the name systemctl knows. */
  readonly systemdUnit?: string;
  readonly slurmJobId?: string;
  /** Who may be told of it: workloads with the same owner are one. Not for people; see cgroupOwner(). */
  readonly owner?: string;
}

/**
 * The process that holds a client, as it was when the client was first seen: a victim is usually dead when it is looked
 * up.
 */
export interface ProcessIdentity {
  /** In the exporter's pid namespace. */
  readonly pid: number;
  /** Clock ticks since boot (field 22 of /proc/<pid>/stat): with the pid, unique until the next boot. */
  readonly startTime: bigint;
  /** Base name of the executable, or the comm where the link cannot be read. */
  readonly executable: string;
  /** Wall-clock start, ISO 8601 in UTC; undefined where /proc/stat has no boot time. */
  readonly createdAt: string | undefined;
}

/**
 * One open drm file (struct drm_file): what a watch covers. dup, fork and SCM_RIGHTS give more fds of the same client.
 */
export interface XeClient {
  /**
   * `drm-client-id`: a counter over all DRM devices since boot, never reused (Documentation/gpu/drm-usage-stats.rst).
   */
  readonly drmClientId: number;
  readonly device: XeDevice;
  readonly process: ProcessIdentity;
  /** undefined outside containers, units and jobs. Replaced, never modified, when its names become known. */
  workload: Workload | undefined;
  /** Processes that had it open at the last scan: fork, SCM_RIGHTS and pidfd_getfd share a client. */
  holderCount: number;
}
