#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "failure.h"
#include "linux/process_stat.h"

namespace xe {

/// One open drm file of one process.
struct DrmFd {
  int pid;
  int fd;
  uint32_t minor;
  ProcessStat process;
};

/// A process without any such file, by what would be different if it had opened one since. The
/// numbers are only compared, and as JavaScript has them.
struct GpuFreeProcess {
  int pid;
  double start_time;
  double open_files;  // 0 before Linux 6.2, which does not tell

  bool operator==(const GpuFreeProcess&) const = default;
};

/// See DrmFdScan in exporter/native/binding.ts.
struct DrmFdScan {
  std::vector<DrmFd> fds;
  std::vector<GpuFreeProcess> gpu_free;
  uint32_t processes = 0;
  uint32_t skipped = 0;
  uint32_t denied = 0;
  Result failure;
};

/// Looks through the descriptors of every process below `proc_root` for character devices of
/// `major` with one of `minors`. Opens no device: fstatat follows the /proc link to the inode
/// alone. Costs some microseconds a descriptor, so it belongs on the thread pool. Processes that
/// end meanwhile are left out silently; `failure` is `opendir` of the root. Those equal to an entry
/// of `skip` are not looked through.
DrmFdScan ScanDrmFds(const std::string& proc_root, uint32_t major,
                     const std::vector<uint32_t>& minors, const std::vector<GpuFreeProcess>& skip);

/// The same for these processes only.
DrmFdScan FindDrmFds(const std::string& proc_root, const std::vector<uint32_t>& pids,
                     uint32_t major, const std::vector<uint32_t>& minors);

}  // namespace xe
