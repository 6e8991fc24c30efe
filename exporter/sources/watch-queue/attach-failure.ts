import { errnoName } from '../../wire/errno.js';
import type { NativeFailure } from '../../native/binding.js';
import type { AttachFailureReason } from '../../names.js';

/** The label a refused attach is counted under (kernel-side rules: pidfd_getfd(2), ptrace(2), kernel/watch_queue.c). */
export function attachFailureReason({ operation, errno }: NativeFailure): AttachFailureReason {
  switch (errnoName(errno)) {
    case 'EPERM':
    case 'EACCES':
      return 'denied';
    case 'ESRCH':
    case 'EBADF':
      return 'gone';
    case 'EAGAIN': // the user's watches would exceed RLIMIT_NOFILE
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return 'limit';
    case 'EBUSY': // the number has become another client's file, one that this pipe watches already
      return operation === 'watch' ? 'gone' : 'other';
    case 'ENODEV': // the number has become another kind of file, or the driver was unbound
      return operation === 'device' ? 'gone' : 'other';
    case 'EINVAL':
      return operation === 'watch' ? 'unsupported' : 'other';
    default:
      return 'other';
  }
}
