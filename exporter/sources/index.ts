import type { Config } from '../config/schema.js';
import type { DeviceTable } from '../host/device-table.js';
import type { NativeAddon } from '../native/binding.js';
import type { FeatureName, SourceName } from '../names.js';
import { kmsg } from './kernel-log/source.js';
import type { OpenSource } from './supervised-source.js';
import { trace } from './trace/source.js';
import { uevent } from './uevent/source.js';

/** What a source of kernel messages is made of. */
export interface MessageSourceContext {
  readonly config: Config;
  readonly native: NativeAddon;
  readonly devices: DeviceTable;
  /** Messages the reader thread discarded because JavaScript was busy for longer than its queue lasts. */
  readonly onDropped: (count: number) => void;
  /** A process has just begun to use a GPU. */
  readonly onGpuProcess?: ((pid: number) => void) | undefined;
}

/** A source that reads messages of the kernel about any device. */
export interface MessageSource {
  readonly name: SourceName;
  readonly feature: FeatureName;
  readonly open: (context: MessageSourceContext) => OpenSource;
}

/** THE LIST of sources beside the watch queue: a new one is a folder beside this file and one line here. */
export const messageSources: readonly MessageSource[] = [trace, kmsg, uevent];
