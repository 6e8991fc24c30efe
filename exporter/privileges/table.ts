import type { FeatureName } from '../names.js';

/** Linux capabilities without their CAP_, as Kubernetes and Docker name them. */
export type Capability = 'DAC_READ_SEARCH' | 'NET_ADMIN' | 'SYSLOG' | 'SYS_PTRACE';

/** A folder of the host that a container has to be given, read-only unless it says otherwise. */
export interface Mount {
  readonly path: string;
  readonly writable?: true;
  /** The feature also works without it, by another way. */
  readonly optional?: true;
  /** Serves as well as the mount, where it is there; the chart mounts nevertheless, because most pods have no render node. */
  readonly instead?: string;
}

/** A rule of a ClusterRole, or of a Role where a namespace is named; of the core API group. */
export interface ApiRule {
  readonly resource: string;
  readonly verbs: readonly string[];
  readonly namespace?: string;
}

/** What one feature asks of whoever runs the exporter: the one source for the chart, INSTALL.md and `doctor --explain-privileges`. */
export interface FeaturePrivileges {
  readonly feature: FeatureName;
  /** What the feature does, as the end of "so that the exporter can ...". */
  readonly does: string;
  /**
   * Effective ones. A container that needs any has to run as uid 0: Kubernetes and Docker put added capabilities into the bounding
   * set, from where only uid 0 gets them by executing a program. Other users would need ambient capabilities, which neither can
   * set, or file capabilities on Node.js, which no_new_privs ignores and which keep Node.js from starting wherever the bounding set
   * lacks one of them.
   */
  readonly capabilities: readonly Capability[];
  /** Uid 0 of the host, which needs no capability for it. */
  readonly root?: true;
  /** The pid namespace of the host. */
  readonly hostPid: boolean;
  /** Device nodes to be opened, which the device cgroup of a container forbids unless they are given to it. */
  readonly devices: readonly string[];
  readonly mounts: readonly Mount[];
  /** A folder of the operator's choice that it writes to: the option that names it. */
  readonly writes?: string;
  /** What its Kubernetes service account must be allowed; the optional mounts serve instead. */
  readonly rbac: readonly ApiRule[];
  /** Why each of them: what the kernel checks. */
  readonly why: string;
  /** What is lost without. */
  readonly without: string;
}

const NOTHING = { capabilities: [], hostPid: false, devices: [], mounts: [], rbac: [] } as const;

/** THE TABLE: one entry a feature, in the order of FEATURES. Everything not in it, the exporter runs without. */
export const PRIVILEGES: readonly FeaturePrivileges[] = [
  {
    ...NOTHING,
    feature: 'watch_queue',
    does: 'watch the GPU clients of other processes',
    capabilities: ['SYS_PTRACE'],
    hostPid: true,
    devices: ['/dev/dri/renderD*'],
    why:
      'A watch belongs to one open GPU file. pidfd_getfd(2) borrows it for the moment of one ioctl, and asks for what ptrace(2) asks for: ' +
      'CAP_SYS_PTRACE where the process has another user or more capabilities. The number of that ioctl is found on an open of the render node that is the exporter’s own.',
    without: 'No event is seen (`denied`); without the capability alone, those of its own user at most.',
  },
  {
    ...NOTHING,
    feature: 'trace',
    does: 'name the process that lost a GPU VM, on kernels without the watch queue',
    root: true,
    hostPid: true,
    mounts: [{ path: '/sys/kernel/tracing', writable: true }],
    why:
      'tracefs belongs to uid 0, mode 0700, and asks for no capability. The exporter makes a tracing instance of its own there, with three ' +
      'histogram triggers on xe_bo_move if --trace-evictions asks for them, and appends one function event on xe_vm_kill; all go when it stops. Process ids of the trace are those of the host.',
    without:
      'Without the watch queue too, the victim of a rebind error is inferred (`xe.victim.inferred`) and counted as `_unattributed`.',
  },
  {
    ...NOTHING,
    feature: 'kmsg',
    does: 'read the messages of the xe driver in the kernel log',
    capabilities: ['SYSLOG'],
    devices: ['/dev/kmsg'],
    why:
      'Where kernel.dmesg_restrict is 1, as on most distributions, reading the log takes CAP_SYSLOG. Without the device the exporter polls ' +
      'syslog(2) once a second, which does not show every loss. The log is read, never written.',
    without: 'Resets, hangs, page faults and, on kernels without the watch, rebind errors are not seen.',
  },
  {
    ...NOTHING,
    feature: 'uevent',
    does: 'hear of wedged devices, device coredumps, and drivers that bind and unbind',
    why: 'The kernel sends them to every network namespace, but not into a user namespace of the container’s own.',
    without: 'Those events are not seen, and devices are looked for now and then.',
  },
  {
    ...NOTHING,
    feature: 'discovery_proc',
    does: 'find the GPU clients of the node in /proc',
    capabilities: ['SYS_PTRACE', 'DAC_READ_SEARCH'],
    hostPid: true,
    why:
      '/proc/<pid>/fd belongs to the user of the process, mode 0500, and a uid 0 without CAP_DAC_READ_SEARCH is not its user. ' +
      'Following an entry in it is a ptrace(2) read: CAP_SYS_PTRACE.',
    without: 'Only processes of its own user are found (`denied`).',
  },
  {
    ...NOTHING,
    feature: 'discovery_debugfs',
    does: 'hear of a new GPU client from the kernel within milliseconds',
    capabilities: ['DAC_READ_SEARCH'],
    mounts: [{ path: '/sys/kernel/debug' }],
    why: 'The root folder of debugfs is 0700 of uid 0; what is read in it is 0444. Nothing is written.',
    without: '/proc is looked at every `--scan-interval` instead; an error before the client is found is not seen.',
  },
  {
    ...NOTHING,
    feature: 'memory',
    does: 'say who held how much GPU memory',
    capabilities: ['SYS_PTRACE'],
    hostPid: true,
    mounts: [{ path: '/sys/kernel/debug', instead: 'access to /dev/dri/renderD*' }],
    why:
      'fdinfo of another user’s process is a ptrace(2) read: CAP_SYS_PTRACE. debugfs says how full a device is; ' +
      'without it the exporter asks the driver through the render node while the device is awake.',
    without:
      'No memory metrics, and no snapshot on out-of-memory events; without the capability or the pid namespace, what devices hold remains.',
  },
  {
    ...NOTHING,
    feature: 'kubernetes',
    does: 'name the pod of a client',
    mounts: [
      { path: '/var/log/pods', optional: true },
      { path: '/var/log/containers', optional: true },
    ],
    rbac: [{ resource: 'pods', verbs: ['list', 'watch'] }],
    why: 'The kernel knows container ids. The names come from the API server or, without it, from the log folders of the node.',
    without: 'Events carry the container id and no pod name.',
  },
  {
    ...NOTHING,
    feature: 'kubernetes_events',
    does: 'tell the owner of a pod by a Kubernetes Event that it ran out of GPU memory, hung, faulted, or lost its GPU',
    rbac: [{ resource: 'events', verbs: ['create', 'patch'] }],
    why:
      'An Event lives in the namespace of its pod, and pods of every namespace run on a node: the right is one for the whole cluster, and ' +
      'needed only with `--kubernetes-events`.',
    without: 'Owners of pods learn of it from metrics, alerts and log events only.',
  },
  {
    ...NOTHING,
    feature: 'kubernetes_node_condition',
    does: 'say by a condition of the node whether its GPUs are fit for work',
    rbac: [
      { resource: 'nodes/status', verbs: ['get', 'patch'] },
      { resource: 'events', verbs: ['create'], namespace: 'default' },
    ],
    why:
      'Kubernetes has no right to the status of one node only, so this one reaches every node. It is read once, to keep the time of the last change. Events of nodes ' +
      'are kept in the namespace default. Needed only with `--kubernetes-node-condition`.',
    without: 'Whatever schedules or repairs nodes has to ask `xe-exporter health`, `GET /devices` or the metrics.',
  },
  {
    ...NOTHING,
    feature: 'otlp',
    does: 'send log events',
    why: 'Only the network: a connection to the collector that is configured.',
    without: 'Metrics and, with `--events-stdout`, JSON lines remain.',
  },
  {
    ...NOTHING,
    feature: 'otlp_metrics',
    does: 'push metrics',
    why: 'Only the network: a connection to the collector that is configured.',
    without: '`/metrics` has the same numbers for whoever scrapes it.',
  },
  {
    ...NOTHING,
    feature: 'jobs',
    does: 'tell a GPU job what happened to it',
    hostPid: true,
    why:
      'The kernel gives the pid of whoever connects in the pid namespace of the exporter, and none for a process outside of it. The cgroup of ' +
      'that process, which everybody may read, says which pod, unit or job it is.',
    without: 'Jobs that ask are told that the exporter cannot see them.',
  },
  {
    ...NOTHING,
    feature: 'coredumps',
    does: 'copy device coredumps while the kernel keeps them',
    root: true,
    writes: '--coredump-dir',
    why:
      'A coredump in sysfs is 0600 of uid 0; CAP_DAC_READ_SEARCH serves as well. sysfs stays read-only: a write would delete the dump. Needed only ' +
      'with `--coredump-dir`.',
    without: 'The kernel drops a coredump after an hour, and nobody has a copy.',
  },
  {
    ...NOTHING,
    feature: 'ras',
    does: 'read the hardware error counters of server GPUs',
    capabilities: ['NET_ADMIN'],
    why:
      'The drm-ras family of generic netlink answers only CAP_NET_ADMIN in the user namespace of the host, in any network namespace. The exporter lists and reads ' +
      'counters; it clears none. Needed only with `--ras-interval`.',
    without: 'Hardware errors are seen as the kernel log reports them.',
  },
];

/** The user of the image when nothing asks for more: nobody's, and not root's. Also in the Dockerfile. */
export const UNPRIVILEGED_UID = 65_532;
