/** The watch ioctl of the xe series: DRM_IOW('d', DRM_COMMAND_BASE + nr, 16-byte struct {fd, watch_id, flags, pad}). */

const DRM_IOCTL_TYPE = 0x64;
const DRM_COMMAND_BASE = 0x40;
const IOC_WRITE = 1;
const WATCH_QUEUE_STRUCT_BYTES = 16;

/**
 * Numbers the revisions of the series gave to DRM_XE_WATCH_QUEUE, in the order they are tried: 0x0f in the first, 0x11 by
 * inference in the second. 0x10 comes last because the second revision uses it for VM_RESTART.
 */
export const WATCH_IOCTL_NUMBERS = [0x0f, 0x11, 0x10] as const;

/** The full request for one driver-relative number, e.g. 0x0f -> 0x4010644f. */
export function watchRequest(nr: number): number {
  return ((IOC_WRITE << 30) | (WATCH_QUEUE_STRUCT_BYTES << 16) | (DRM_IOCTL_TYPE << 8) | (DRM_COMMAND_BASE + nr)) >>> 0;
}
