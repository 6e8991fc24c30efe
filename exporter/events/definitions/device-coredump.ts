import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';
import { theJob } from '../text/victim.js';

const DUMP = /^\/devices\/virtual\/devcoredump\/devcd\d{1,10}$/;

/** The driver captured the state of a hang and keeps it for an hour (drivers/base/devcoredump.c, xe_devcoredump.c, Linux 6.8 to 7.2). */
export const deviceCoredump = define({
  name: 'xe.device.coredump',
  summary: 'the driver captured the state of the GPU after a hang, and keeps it for an hour',
  kernelLog: {
    patterns: [/^Xe device coredump has been created$/],
  },
  uevent: {
    read({ action, subsystem, devpath }) {
      if (action !== 'add' || subsystem !== 'devcoredump' || !DUMP.test(devpath)) return undefined;
      return { details: { [ATTRIBUTE.devcoredumpPath]: `/sys${devpath}/data` } };
    },
  },
  // The uevent comes when the head of the dump can be read, which is when the capture is complete.
  merging: { waitMs: 3_000, by: 'one_to_one' },
  ofClient: true,
  counter: {
    name: 'xe_devcoredumps_total',
    help: 'Device coredumps captured by the driver.',
  },
  rank: 'consequence',
  severity: () => 17,
  errorType: () => 'devcoredump',
  body(event) {
    const path = event.details?.[ATTRIBUTE.devcoredumpPath];
    const where = path === undefined ? 'it from /sys/class/devcoredump' : String(path);
    return `The driver captured a coredump after ${theJob(event)} hung${onGpu(event)}: copy ${where} within an hour and attach it to a bug report.`;
  },
});
