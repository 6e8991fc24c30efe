import { tmpdir } from 'node:os';
import { openTrace } from '../sources/trace/source.js';
import { supervised, type Opened } from '../sources/supervised-source.js';
import { SimulatedTracefs } from './simulated-tracefs.js';

/** The trace of the simulated driver: the real source over a made-up tracefs, which is there while the source runs. */
export const simulatedTraceSource = supervised(
  { name: 'trace', feature: 'trace', wanted: () => true },
  (context) => async (handler, onDied) => {
    const tracefs = new SimulatedTracefs();
    const tracefsRoot = made(tracefs);
    if (typeof tracefsRoot !== 'string') return tracefsRoot;
    const open = openTrace({ ...context, config: { ...context.config, tracefsRoot } });
    const opened = await open(handler, (reason) => {
      tracefs.remove();
      onDied(reason);
    });
    if (!('run' in opened)) {
      tracefs.remove();
      return opened;
    }
    const { run } = opened;
    return {
      ...opened,
      run: {
        deviceAdded: () => run.deviceAdded?.(),
        stop: () => run.stop().finally(() => tracefs.remove()),
      },
    };
  },
);

function made(tracefs: SimulatedTracefs): string | Opened {
  try {
    return tracefs.make();
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    return {
      refused: {
        state: 'denied',
        reason: `the demo cannot make a folder in ${tmpdir()} or /dev/shm (${code})`,
        fix: 'Set TMPDIR to a folder that this user may write to.',
      },
    };
  }
}
