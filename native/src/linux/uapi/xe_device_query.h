#pragma once

#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

/// Our own definition of struct drm_xe_device_query (include/uapi/drm/xe_drm.h, Linux 7.2).
namespace xe::uapi {

struct XeDeviceQuery {
  uint64_t extensions;
  uint32_t query;
  uint32_t size;  // in: room at `data`, or 0 to ask for it
  uint64_t data;
  uint64_t reserved[2];
};
static_assert(sizeof(XeDeviceQuery) == 40);
static_assert(offsetof(XeDeviceQuery, size) == 12);
static_assert(offsetof(XeDeviceQuery, data) == 16);

inline constexpr uint32_t kXeQueryMemRegions = 1;

inline constexpr unsigned long kDrmIoctlXeDeviceQuery = _IOWR('d', 0x40, XeDeviceQuery);

}  // namespace xe::uapi
