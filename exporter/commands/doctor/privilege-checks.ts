import { CAPABILITY, hasCapability } from '../../host/privileges.js';
import { fail, ok, warn, type Check, type Facts, type Finding } from './finding.js';

/** What finding the clients of other processes asks for, and attaching to them. */
export const PRIVILEGE_CHECKS: readonly Check[] = [
  { id: 'cap_sys_ptrace', title: 'CAP_SYS_PTRACE', for: 'clients', run: sysPtrace },
  { id: 'cap_dac_read_search', title: 'CAP_DAC_READ_SEARCH', for: 'clients', run: dacReadSearch },
  { id: 'yama', title: 'Yama ptrace_scope', for: 'clients', run: yama },
  { id: 'host_pid', title: 'pid namespace', for: 'clients', run: pidNamespace },
  { id: 'host_user', title: 'user namespace', for: 'clients', run: userNamespace },
  { id: 'security_module', title: 'security module', for: 'clients', run: securityModule },
  { id: 'seccomp', title: 'seccomp', for: 'watching', run: seccomp },
  { id: 'open_files', title: 'open files limit', for: 'watching', run: openFiles },
];

function addCapability(name: string): string {
  return (
    `Kubernetes: add ${name} to securityContext.capabilities.add. ` +
    `systemd: AmbientCapabilities=CAP_${name} (and not excluded by CapabilityBoundingSet). By hand: run as root.`
  );
}

function sysPtrace({ privileges }: Facts): Finding {
  return hasCapability(privileges, CAPABILITY.sysPtrace)
    ? ok('effective')
    : fail('missing: files of other processes cannot be borrowed', addCapability('SYS_PTRACE'));
}

/** Being uid 0 is not enough: /proc/<pid>/fd is 0500 of the process's user, and root without the capability is another user. */
function dacReadSearch({ privileges }: Facts): Finding {
  if (hasCapability(privileges, CAPABILITY.dacReadSearch)) return ok('effective');
  if (hasCapability(privileges, CAPABILITY.dacOverride))
    return ok('not effective, but CAP_DAC_OVERRIDE is, which includes it');
  const uid = privileges.effectiveUid;
  return fail(
    `missing: only processes of uid ${uid ?? '(unknown)'} can be searched${uid === 0 ? ', even as root' : ''}`,
    addCapability('DAC_READ_SEARCH'),
  );
}

function yama({ privileges: { yamaScope } }: Facts): Finding {
  if (yamaScope === undefined) return ok('not in this kernel');
  return yamaScope < 3
    ? ok(`${yamaScope}, which CAP_SYS_PTRACE overrides`)
    : fail(
        '3: nobody may attach to another process, not even root',
        'Set kernel.yama.ptrace_scope to 2 or less in sysctl.d on the node; a value of 3 can only be lowered by a reboot.',
      );
}

function pidNamespace({ privileges: { inInitialPidNamespace } }: Facts): Finding {
  if (inInitialPidNamespace === undefined)
    return warn('not given by procfs', 'Set --path-procfs to the mount point of procfs.');
  return inInitialPidNamespace
    ? ok("the host's")
    : fail(
        'private: processes of other containers and of the host are not visible',
        'Kubernetes: hostPID: true in the pod spec. Docker and Podman: --pid=host.',
      );
}

function userNamespace({ privileges: { inInitialUserNamespace } }: Facts): Finding {
  if (inInitialUserNamespace === undefined)
    return warn('not given by procfs', 'Set --path-procfs to the mount point of procfs.');
  return inInitialUserNamespace
    ? ok("the host's")
    : fail(
        'private: capabilities in it have no effect outside',
        'Kubernetes: leave hostUsers unset or true. Docker and Podman: run rootful, without a user namespace.',
      );
}

function securityModule({ privileges: { securityLabel } }: Facts): Finding {
  if (securityLabel === undefined) return ok('this process is not confined');
  const confined = securityLabel.endsWith('(enforce)') || securityLabel.includes(':container_t:');
  return confined
    ? warn(
        `confined by ${securityLabel}: processes under another profile cannot be attached to`,
        'Kubernetes: appArmorProfile.type: Unconfined, or seLinuxOptions.type: spc_t. Docker: --security-opt apparmor=unconfined or label=disable.',
      )
    : ok(securityLabel);
}

function seccomp({ privileges }: Facts): Finding {
  const { seccompMode } = privileges;
  if (seccompMode === undefined || seccompMode === 0) return ok('no filter');
  return hasCapability(privileges, CAPABILITY.sysPtrace)
    ? ok('filtered; the usual profiles allow what is needed along with CAP_SYS_PTRACE')
    : warn(
        'filtered: the usual profiles allow pidfd_getfd only with CAP_SYS_PTRACE',
        `${addCapability('SYS_PTRACE')} Or allow pidfd_open and pidfd_getfd in the profile.`,
      );
}

/** File descriptors of the exporter itself: pipes, sockets, /proc. */
const OWN_FILES = 256;

/** The kernel counts the watches of a user against the soft limit (watch_queue.c); the exporter raises it to the hard one. */
function openFiles({ privileges: { openFiles: limit }, clients, maxClients }: Facts): Finding {
  if (limit === undefined) return warn('not given by procfs', 'Set --path-procfs to the mount point of procfs.');
  const seen = limit.hard === Infinity ? 'unlimited' : `${limit.soft}, can be raised to ${limit.hard}`;
  const present = clients?.scan.fds.length ?? 0;
  const fix =
    `Raise the hard limit to ${maxClients + OWN_FILES}. systemd: LimitNOFILE= in the unit of the exporter or of the container runtime. ` +
    'Docker: --ulimit nofile=. Or lower --max-clients.';
  if (limit.hard < present + OWN_FILES) return fail(`${seen}: too few for the ${present} clients here`, fix);
  if (limit.hard < maxClients + OWN_FILES) return warn(`${seen}: too few for --max-clients=${maxClients}`, fix);
  return ok(seen);
}
