import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/schema.js';
import type { SourceRefusal } from '../supervised-source.js';

type Roots = Pick<Config, 'sysRoot' | 'tracefsRoot'>;

/** Why this node offers no trace, found without writing anything; undefined when it may. */
export function traceRefusal({ sysRoot, tracefsRoot }: Roots): SourceRefusal | undefined {
  if (isConfidential(sysRoot)) return lockedDown();
  const entries = list(tracefsRoot);
  if (typeof entries === 'string') return tracefsError(entries, tracefsRoot);
  if (!entries.includes('instances')) {
    return {
      state: 'denied',
      reason: `no tracefs is mounted at ${tracefsRoot}`,
      fix: `Mount the node's tracefs (/sys/kernel/tracing) writable at ${tracefsRoot}; on the node: mount -t tracefs tracefs /sys/kernel/tracing.`,
    };
  }
  if (existsSync(join(tracefsRoot, 'events/xe/xe_vm_kill'))) return undefined;
  return {
    state: 'unsupported',
    reason: `${tracefsRoot}/events has no event xe/xe_vm_kill`,
    fix: 'The kernel needs CONFIG_EVENT_TRACING, and the xe driver has to be loaded.',
  };
}

/** What an errno of tracefs means. @param code such as `EACCES` */
export function tracefsError(code: string, path: string): SourceRefusal {
  const reason = `${path} cannot be used (${code})`;
  if (code === 'EPERM') return { ...lockedDown(), reason };
  if (code === 'EROFS') return { state: 'denied', reason, fix: `Mount tracefs writable at ${path}.` };
  if (code === 'EACCES') {
    return {
      state: 'denied',
      reason,
      fix: 'Run as uid 0 of the host, without an AppArmor profile or SELinux domain that keeps it from tracefs. The systemd service of the package needs its drop-in trace.conf: see docs/bare-metal.md.',
    };
  }
  if (code === 'ENOENT')
    return { state: 'denied', reason, fix: `Mount the node's tracefs (/sys/kernel/tracing) at ${path}.` };
  if (code === 'EBUSY') {
    return {
      state: 'denied',
      reason,
      fix: 'Every tracing instance of the exporter has a reader: stop the other exporters.',
    };
  }
  return { state: 'unsupported', reason, fix: 'The kernel log of that moment may say more.' };
}

function lockedDown(): SourceRefusal {
  return {
    state: 'denied',
    reason: 'the kernel is locked down (confidentiality), which forbids tracing',
    fix: 'Boot with lockdown=integrity, or do without: set --trace=off.',
  };
}

/** Needs securityfs; without it tracefs itself says EPERM. */
function isConfidential(sysRoot: string): boolean {
  try {
    return readFileSync(join(sysRoot, 'kernel/security/lockdown'), 'utf8').includes('[confidentiality]');
  } catch {
    return false;
  }
}

function list(path: string): string[] | string {
  try {
    return readdirSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
