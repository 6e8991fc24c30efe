import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FeatureReport } from '../../../features.js';
import { CAPABILITY, hasCapability, readPrivileges } from '../../../host/privileges.js';
import type { CoredumpFolder } from './folder.js';

/** Whether coredumps can be copied here. */
export type CoredumpSupport = Pick<FeatureReport, 'state' | 'reason' | 'fix'>;

export const READ_DUMPS = 'Run as uid 0, or with CAP_DAC_READ_SEARCH: the kernel lets nobody else read a coredump.';

/** Looks at kernel, privileges and folder, which it makes if need be. Never rejects. */
export async function coredumpSupport(
  folder: CoredumpFolder,
  { sysRoot, procRoot }: { readonly sysRoot: string; readonly procRoot: string },
): Promise<CoredumpSupport> {
  const dumps = join(sysRoot, 'class/devcoredump');
  if (!existsSync(dumps)) {
    const reason = `${dumps} does not exist: this kernel keeps no device coredumps`;
    return { state: 'unsupported', reason, fix: 'The kernel needs CONFIG_DEV_COREDUMP.' };
  }
  if (isDisabled(join(dumps, 'disabled'))) {
    const reason = `${join(dumps, 'disabled')} is 1: the kernel drops device coredumps`;
    return { state: 'unsupported', reason, fix: 'Remove what sets it at boot; only a reboot takes it back.' };
  }
  const privileges = readPrivileges(procRoot);
  const mayRead = [CAPABILITY.dacOverride, CAPABILITY.dacReadSearch].some((bit) => hasCapability(privileges, bit));
  if (privileges.effectiveUid !== 0 && !mayRead) {
    return {
      state: 'denied',
      reason: `uid ${privileges.effectiveUid ?? '(unknown)'} may not read coredumps`,
      fix: READ_DUMPS,
    };
  }
  try {
    await folder.prepare();
    return { state: 'active', reason: '', fix: '' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return {
      state: 'denied',
      reason: `cannot write to ${folder.path}: ${code ?? message}`,
      fix: 'Let the exporter write to that folder, or name another one with --coredump-dir. systemd: StateDirectory=. Kubernetes: coredumps.hostPath.',
    };
  }
}

function isDisabled(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
