#pragma once

#include <cstdint>

namespace xe {

/// RLIMIT_NOFILE of the process; it also bounds the watches of all processes of this user
/// (kernel/watch_queue.c, Linux 7.2). UINT64_MAX means no limit.
struct FdLimit {
  uint64_t soft;
  uint64_t hard;
};

/// Raises the soft limit to `at_least`, or to the hard limit where that is lower, never down.
/// Returns what holds afterwards.
FdLimit RaiseFdLimit(uint64_t at_least);

}  // namespace xe
