import type { Config } from '../../config/schema.js';
import { wantedEvents } from '../../events/index.js';
import type { SourceEntry } from '../source.js';
import { SupervisedSource } from '../supervised-source.js';
import { switchedOff } from '../switched-off.js';
import { probeWatchIoctl, type WatchIoctlChoice } from './probe.js';
import { WatchQueueSource } from './source.js';

const NAME = { name: 'watch_queue', feature: 'watch_queue' } as const;

/** The kernel's watch queue: it names the process, on kernels that have it. */
export const watchQueue: SourceEntry = {
  ...NAME,
  wanted: () => true,
  open(context) {
    const { config, native } = context;
    const choice = watchIoctlChoice(config);
    if ('off' in choice) {
      return new SupervisedSource({ ...context, ...NAME, open: () => Promise.resolve(switchedOff(choice.off)) });
    }
    return new WatchQueueSource({
      ...context,
      name: 'watch_queue',
      backend: 'linux',
      queueBytes: config.readerQueueBytes,
      wanted: wantedEvents(config.events),
      probe: (device) => probeWatchIoctl(native, device, config.devRoot, choice.probe),
    });
  },
};

/** Which watch ioctl numbers to probe, or the option that switches watching off. */
export function watchIoctlChoice({
  mode,
  xeWatchIoctl,
}: Pick<Config, 'mode' | 'xeWatchIoctl'>): { readonly probe: WatchIoctlChoice } | { readonly off: string } {
  if (mode === 'fallback') return { off: '--mode=fallback' };
  return xeWatchIoctl === 'off' ? { off: '--xe-watch-ioctl=off' } : { probe: xeWatchIoctl };
}
