#pragma once

#include <cstdint>
#include <string>

#include "failure.h"

namespace xe {

/// See ProbeResult in exporter/native/binding.ts.
struct ProbeOutcome {
  Result failure;
  int attach_errno = 0;  // 0 = attached
  int repeat_errno = 0;  // EBUSY is the proof; 0 also when the first attach failed
  bool removal_seen = false;
};

/// Finds out whether `request` is the watch ioctl, by positive proof only: attach, attach again
/// (EBUSY), close the file, see META/REMOVAL with `tag` within a second. Wrong numbers all end in
/// EINVAL, whatever they mean there. Acts on a file of our own that owns nothing, so even a number
/// with another meaning does no harm. Takes up to a second; opening the node wakes the GPU.
/// Failures: those of WatchQueue::Create, `open`, `version`, `driver` ENODEV (not xe).
ProbeOutcome ProbeWatchIoctl(const std::string& render_node, uint32_t request, uint32_t tag);

/// Whether notification pipes work here: makes and sizes one and closes it.
Result ProbePipe();

}  // namespace xe
