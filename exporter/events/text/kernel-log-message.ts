import { ATTRIBUTE } from '../../names.js';
import type { KernelLogLine } from '../../wire/kernel-log.js';
import type { EventDetails } from '../device-event.js';

/** Longest message that goes into a log event; a record of the kernel log has about as much. */
const MAX_CHARACTERS = 1024;

/** The words of the kernel as an attribute, for an event whose name says too little. */
export function messageOf({ message }: KernelLogLine): EventDetails {
  if (message === '') return {};
  // A surrogate without its other half is no text that everybody can encode.
  return { [ATTRIBUTE.kernelLogMessage]: message.slice(0, MAX_CHARACTERS).replace(/[\uD800-\uDBFF]$/, '') };
}
