import { ATTRIBUTE } from '../../names.js';
import { errnoName } from '../../wire/errno.js';
import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/** What became of the copy of a coredump: it ends long after the event of the dump, with which it shares `xe.devcoredump.path`. */
export const deviceCoredumpCopy = define({
  name: 'xe.device.coredump.copy',
  summary: 'a coredump was copied to `--coredump-dir`, or could not be',
  severity: ({ errorCode }) => (errorCode === 0 ? 9 : 17),
  // There are few: the kernel keeps one dump for each device at a time.
  isFinal: () => true,
  errorType: ({ errorCode }) => (errorCode === 0 ? undefined : errnoName(errorCode)),
  body(event) {
    const { errorCode, details = {} } = event;
    const {
      [ATTRIBUTE.devcoredumpCopy]: copy = '--coredump-dir',
      [ATTRIBUTE.devcoredumpPath]: path = '/sys/class/devcoredump',
    } = details;
    if (errorCode !== 0) {
      const why = details[ATTRIBUTE.devcoredumpCopyError] ?? errnoName(errorCode);
      return `The coredump of a hang${onGpu(event)} could not be copied (${why}): copy ${path} yourself before the hour is over.`;
    }
    const cut =
      details[ATTRIBUTE.devcoredumpTruncated] === true
        ? ', without its end, because it is larger than a copy may be'
        : '';
    return `The coredump of a hang${onGpu(event)} was copied to ${copy}${cut}: attach it to a bug report.`;
  },
});
