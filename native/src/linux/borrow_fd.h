#pragma once

#include "failure.h"
#include "notification_pipe.h"
#include "unique_fd.h"

namespace xe {

/// Copies another process's file descriptor into ours, if process and file are the expected ones.
/// Thread pool only: pidfd_getfd waits while the target is in exec, and closing the copy of a dying
/// drm client runs its whole teardown. Close the copy at once. Errors, in order:
///   pidfd_open   ESRCH (gone), EMFILE, ENFILE, ENOSYS (before Linux 5.3), EPERM (seccomp)
///   identity     ESRCH: the pid belongs to another process by now
///   pidfd_getfd  EPERM (no CAP_SYS_PTRACE, Yama), ESRCH (exiting), EBADF (closed there), EACCES
///   fstat, device ENODEV: another file has that number by now
Result BorrowFd(const BorrowTarget& target, UniqueFd* borrowed);

}  // namespace xe
