import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Capability bits (include/uapi/linux/capability.h) that matter for attaching to other processes. */
export const CAPABILITY = { dacOverride: 1, dacReadSearch: 2, sysPtrace: 19 } as const;

/** Inodes of the initial namespaces (include/uapi/linux/nsfs.h); they never change. */
const INITIAL_NAMESPACE = { pid: 'pid:[4026531836]', user: 'user:[4026531837]' } as const;

/** What this process may do, according to /proc. `undefined` means that /proc does not say. */
export interface Privileges {
  readonly effectiveUid: number | undefined;
  /** Effective capabilities as a bit set. */
  readonly capabilities: bigint | undefined;
  /** 0 off, 1 strict, 2 filter. */
  readonly seccompMode: number | undefined;
  /** kernel.yama.ptrace_scope 0..3; undefined also on kernels without Yama. */
  readonly yamaScope: number | undefined;
  readonly inInitialPidNamespace: boolean | undefined;
  readonly inInitialUserNamespace: boolean | undefined;
  /** Label of the security module: `unconfined`, an AppArmor profile with its mode, or an SELinux context. */
  readonly securityLabel: string | undefined;
  /** RLIMIT_NOFILE; Infinity when unlimited. */
  readonly openFiles: { readonly soft: number; readonly hard: number } | undefined;
  readonly kernelRelease: string | undefined;
}

/**
 * Reads the privileges of this process. Synchronous and cheap; never throws.
 * @param procRoot where procfs is mounted, normally `/proc`; must show this process as `self`.
 */
export function readPrivileges(procRoot: string): Privileges {
  const status = read(procRoot, 'self/status') ?? '';
  const capabilities = field(status, 'CapEff', /[0-9a-f]{1,16}/);
  return {
    effectiveUid: toNumber(field(status, 'Uid', /\d+\s+(\d+)/)),
    capabilities: capabilities === undefined ? undefined : BigInt(`0x${capabilities}`),
    seccompMode: toNumber(field(status, 'Seccomp', /\d+/)),
    yamaScope: toNumber(/^\d$/.exec(read(procRoot, 'sys/kernel/yama/ptrace_scope') ?? '')?.[0]),
    inInitialPidNamespace: isNamespace(procRoot, 'pid'),
    inInitialUserNamespace: isNamespace(procRoot, 'user'),
    securityLabel: read(procRoot, 'self/attr/current')?.replaceAll('\0', '').trim() || undefined,
    openFiles: parseOpenFiles(read(procRoot, 'self/limits') ?? ''),
    kernelRelease: read(procRoot, 'sys/kernel/osrelease') || undefined,
  };
}

/** Whether one of {@link CAPABILITY} is in the set; false when the set is unknown. */
export function hasCapability({ capabilities }: Privileges, bit: number): boolean {
  return ((capabilities ?? 0n) >> BigInt(bit)) % 2n === 1n;
}

/** The value of a `Name:\tvalue` line: the pattern's group, or all of it. */
function field(status: string, name: string, pattern: RegExp): string | undefined {
  const match = new RegExp(`^${name}:\\s*${pattern.source}`, 'm').exec(status);
  return match?.[1] ?? match?.[0].slice(name.length + 1).trim();
}

function parseOpenFiles(limits: string): Privileges['openFiles'] {
  const match = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(limits);
  const bound = (text = ''): number => (text === 'unlimited' ? Infinity : Number(text));
  return match === null ? undefined : { soft: bound(match[1]), hard: bound(match[2]) };
}

function isNamespace(procRoot: string, name: keyof typeof INITIAL_NAMESPACE): boolean | undefined {
  try {
    return readlinkSync(join(procRoot, 'self/ns', name)) === INITIAL_NAMESPACE[name];
  } catch {
    return undefined;
  }
}

function read(procRoot: string, path: string): string | undefined {
  try {
    return readFileSync(join(procRoot, path), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function toNumber(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
