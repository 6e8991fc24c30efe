#pragma once

#include <cstdint>
#include <string>

#include "failure.h"

namespace xe {

/// The newest text of the kernel log, lines of `<priority>[time] text` (do_syslog, Linux 7.2).
struct KernelRing {
  std::string text;
  uint32_t size = 0;  // of the whole ring, bytes
  Result failure;
};

/// Most that is read at once.
inline constexpr uint32_t kMaxKernelRingBytes = 64u << 20;

/// Reads the newest records that fit into `max_bytes` (1..kMaxKernelRingBytes), through syslog(2):
/// it takes nothing from others and starts at the last `dmesg --clear`. Formats the whole ring
/// inside the kernel, so it belongs on the thread pool. Error: `syslog` EPERM
/// (kernel.dmesg_restrict without CAP_SYSLOG, seccomp), ENOSYS.
KernelRing ReadKernelRing(uint32_t max_bytes);

}  // namespace xe
