import { ATTRIBUTE } from '../../names.js';
import type { KernelLogText } from '../../wire/kernel-log.js';
import type { EventDetails } from '../device-event.js';

/** Longest message that goes into a log event; a record of the kernel log is about as long. */
const MAX_CHARACTERS = 1024;

/** The kernel's message as an attribute, for an event whose name says too little. */
export function messageOf({ message }: KernelLogText): EventDetails {
  if (message === '') return {};
  // Half a surrogate pair cannot be encoded as UTF-8.
  return { [ATTRIBUTE.kernelLogMessage]: message.slice(0, MAX_CHARACTERS).replace(/[\uD800-\uDBFF]$/, '') };
}
