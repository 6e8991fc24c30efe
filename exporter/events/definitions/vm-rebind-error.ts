import { ATTRIBUTE, KERNEL_EVENT } from '../../names.js';
import { HEADER_BYTES, VM_ERR_BYTES, WATCH_TYPE, XE_SUBTYPE } from '../../wire/watch-notification.js';
import { define } from '../definition.js';
import type { DeviceEvent } from '../device-event.js';
import { errnoName, isRebindOom, rebindErrorClass, type RebindErrorClass } from '../../wire/errno.js';
import { memoryClause } from '../text/memory-attributes.js';
import { lostVm, vmIdAttribute } from '../text/victim.js';

const ADVICE: Readonly<Record<RebindErrorClass, string>> = {
  memory: 'the GPU ran out of memory; run fewer jobs on it or give each less memory, then restart this one',
  timeout:
    'the GPU or its firmware did not respond in time; look for resets in the kernel log before restarting the job',
  'host-memory':
    'host memory kept moving while the driver mapped it; check memory pressure, swap and NUMA balancing on the node',
  internal: 'the driver failed; save the kernel log and report a bug',
};

/**
 * A VM's rebind worker failed and the driver killed or paused the VM (the first revision of the record does not say which).
 * struct drm_xe_watch_notification_vm_err: u32 vm_id, s32 error_code. vm_id is unique only within one client; the kernel log does not
 * name it (0) and has no process either (xe_vm.c, Linux 7.2). The trace has the process and no error code (0).
 */
export const vmRebindError = define({
  name: KERNEL_EVENT.vmRebindError,
  summary: 'the driver could not rebind a VM and stopped it, usually because GPU memory ran out',
  wire: {
    type: WATCH_TYPE.DRM_XE_NOTIFY,
    subtype: XE_SUBTYPE.VM_ERR,
    minLength: VM_ERR_BYTES,
    vmIdOffset: HEADER_BYTES,
    errorCodeOffset: HEADER_BYTES + 4,
  },
  kernelLog: {
    patterns: [/^VM worker error: (?<errorCode>-[1-9]\d{0,3})$/],
    read: ({ errorCode }) => ({ errorCode: Number(errorCode) }),
  },
  trace: 'rebind',
  // For the victim: from the watch or the trace, or from what the clients of the device do next.
  merging: { waitMs: 3_000, by: 'one_to_one' },
  ofClient: true,
  ofVm: true,
  wantsMemory: ({ errorCode }) => isRebindOom(errorCode),
  rank: 'trigger',
  severity: () => 17,
  errorType: ({ errorCode }) => (errorCode === 0 ? '_OTHER' : errnoName(errorCode)),
  body: (event) => `${lostVm(event)}: ${seen(event)}${advice(event)}.`,
  attributes: (event) => ({
    ...vmIdAttribute(event),
    ...(event.errorCode !== 0 && { [ATTRIBUTE.vmErrno]: event.errorCode }),
  }),
});

function advice({ errorCode }: DeviceEvent): string {
  return errorCode === 0
    ? 'the driver could not rebind it, most likely because GPU memory ran out; only the kernel log has the error code'
    : ADVICE[rebindErrorClass(errorCode)];
}

/** How full the GPU was, for out-of-memory errors. */
function seen({ errorCode, memory }: DeviceEvent): string {
  const clause = memory && rebindErrorClass(errorCode) === 'memory' ? memoryClause(memory) : '';
  return clause === '' ? '' : `${clause}; `;
}
