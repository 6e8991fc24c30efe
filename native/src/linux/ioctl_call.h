#pragma once

#include <sys/ioctl.h>

#include <cerrno>

namespace xe {

/// ioctl(2), again after EINTR and, unlike libdrm's, not after EAGAIN, which is a verdict here. The
/// request is never a constant at the call: musl declares it int, and half of ours do not fit.
template <typename Argument>
int Ioctl(int fd, unsigned long request, Argument argument) {
  int status;
  do {
    status = ioctl(fd, request, argument);
  } while (status != 0 && errno == EINTR);
  return status;
}

}  // namespace xe
