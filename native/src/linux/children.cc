#include "linux/children.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>

namespace xe {

Result BecomeSubreaper() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    return Failure{"prctl", errno};
  }
  return std::nullopt;
}

int ReapOrphans(int spare) {
  for (int reaped = 0;; reaped++) {
    // Looked at first and left waitable: taking the exit status of `spare` would rob libuv of it.
    siginfo_t ended = {};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0 ||
        ended.si_pid == spare || waitpid(ended.si_pid, nullptr, WNOHANG) <= 0) {
      return reaped;
    }
  }
}

}  // namespace xe
