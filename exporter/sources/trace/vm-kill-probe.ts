import type { Tracefs } from './tracefs.js';

const PROCESS = 'pid=vm->xef->pid:s32 client=vm->xef->drm->client_id:u64';
const VM = 'asid=vm->usm.asid:u32 flags=vm->flags:x32';
const DEVICE = 'dev=vm->xe->drm.dev->kobj.name:string';
/** Last, so that nothing a process calls itself can stand in front of what names it. */
const COMM = 'comm=vm->xef->process_name:string';

/**
 * What is read out of a dying VM when the driver enters xe_vm_kill, the most first. The kernel checks every member against its types (BTF)
 * and refuses what it does not have: the process is in struct xe_file from Linux 6.12 on, the client id always.
 */
const FORMS = [
  `xe_vm_kill ${PROCESS} ${VM} ${DEVICE} ${COMM}`,
  `xe_vm_kill ${PROCESS} ${COMM}`,
  'xe_vm_kill client=vm->xef->drm->client_id:u64',
];

/**
 * Has the event defined that names the process of every VM. A function event, never one on a tracepoint: on Linux 6.12 those corrupt
 * memory when the driver is loaded again.
 *
 * @returns why the kernel takes none: an errno; undefined when it is defined
 */
export function defineVmKillProbe(tracefs: Tracefs): string | undefined {
  try {
    const defined = tracefs.definedProbe();
    if (defined !== undefined && namesProcess(defined)) return undefined;
    // Left by an exporter that knew less: in use by it, it does.
    if (defined !== undefined && !removed(tracefs)) return undefined;
  } catch (error) {
    return codeOf(error);
  }
  let refusal = '';
  for (const form of FORMS) {
    try {
      tracefs.defineProbe(form);
      return undefined;
    } catch (error) {
      refusal = codeOf(error);
      // Another exporter has just defined it.
      if (refusal === 'EEXIST') return undefined;
    }
  }
  return refusal;
}

/** Removes the event unless somebody uses it: then the last of them removes it. */
export function removeVmKillProbe(tracefs: Tracefs): void {
  removed(tracefs);
}

function removed(tracefs: Tracefs): boolean {
  try {
    tracefs.removeProbe();
    return true;
  } catch {
    return false;
  }
}

function namesProcess(definition: string): boolean {
  return definition.includes(' client=') && definition.includes(' pid=') && definition.includes(' dev=');
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
