#include "linux/fd_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace xe {

FdLimit RaiseFdLimit(uint64_t at_least) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted =
      std::min<rlim_t>(std::max<rlim_t>(limit.rlim_cur, at_least), limit.rlim_max);
  if (wanted != limit.rlim_cur) {
    const rlimit raised = {wanted, limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &raised);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return {limit.rlim_cur, limit.rlim_max};
}

}  // namespace xe
