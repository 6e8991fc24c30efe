#pragma once

#include <cstdint>
#include <string>

namespace xe {

/// What tells a process from a later one with the same pid.
struct ProcessStat {
  std::string comm;     // field 2, without the parentheses, bytes as the kernel wrote them
  uint64_t start_time;  // field 22, clock ticks since boot
};

/// Reads the stat file at `path`, relative to `directory` (AT_FDCWD for none).
/// Returns 0 or a positive errno: ENOENT or ESRCH for a process that is gone, EIO for a file that
/// does not look like one.
int ReadProcessStat(int directory, const char* path, ProcessStat* stat);

}  // namespace xe
