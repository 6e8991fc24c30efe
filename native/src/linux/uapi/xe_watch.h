#pragma once

#include <cstddef>
#include <cstdint>

/// The argument of DRM_IOCTL_XE_WATCH_QUEUE as the patch series "Xe driver asynchronous
/// notification mechanism" (March 2026) has it. The request number differs between its revisions,
/// so it is an argument everywhere: linux/probe.h finds it.
namespace xe::uapi {

struct XeWatchQueue {
  uint32_t fd;        // either end of a notification pipe, in the caller's table
  uint32_t watch_id;  // 0..255, comes back in every record
  uint32_t flags;     // 0
  uint32_t pad;       // 0
};
static_assert(sizeof(XeWatchQueue) == 16);
static_assert(offsetof(XeWatchQueue, watch_id) == 4);
static_assert(offsetof(XeWatchQueue, flags) == 8);
static_assert(offsetof(XeWatchQueue, pad) == 12);

}  // namespace xe::uapi
