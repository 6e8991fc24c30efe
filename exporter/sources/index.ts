import { kmsg } from './kernel-log/source.js';
import type { SourceEntry } from './source.js';
import { trace } from './trace/source.js';
import { uevent } from './uevent/source.js';
import { watchQueue } from './watch-queue/entry.js';

/** THE LIST of event sources: a new one is a folder beside this file and one line here. */
export const sources: readonly SourceEntry[] = [watchQueue, trace, kmsg, uevent];
