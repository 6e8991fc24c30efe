#pragma once

#include <sys/syscall.h>
#include <unistd.h>

// Linux 5.3 and 5.6; the C libraries of older distributions have neither function nor number. The
// numbers are the same on every architecture xe runs on.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

namespace xe::uapi {

inline int PidfdOpen(int pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

/// The copy is close-on-exec.
inline int PidfdGetfd(int pidfd, int fd) {
  return static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

}  // namespace xe::uapi
