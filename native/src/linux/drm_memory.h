#pragma once

#include <cstdint>
#include <string>

#include "failure.h"
#include "notification_pipe.h"

namespace xe {

/// Nothing if the device is awake, else `asleep` EAGAIN: asked right before what would wake it.
/// `runtime_status` is its power/runtime_status in sysfs; a device without one is always on.
Result RequireAwake(const std::string& runtime_status);

/// The fdinfo of a drm file of another process, raw. That it is still that process (start time)
/// and a file of that device is made sure of first: another file could wake another device. On xe
/// this takes locks of the driver and can wait without an end (Linux 7.2, xe_drm_client.c).
/// Errors: `open`, `identity` ESRCH, `fstat`, `device` ENODEV, `read`.
Result ReadFdinfo(const std::string& proc_root, const BorrowTarget& target, std::string* content);

/// What DRM_IOCTL_XE_DEVICE_QUERY says of the memory regions, raw: struct
/// drm_xe_query_mem_regions (include/uapi/drm/xe_drm.h, Linux 7.2). On an own open of the render
/// node, closed at once, because an open file holds up an unbind. Never a card node: opening one
/// can make the opener DRM master. Errors: `open`, `fstat`, `device` ENODEV, `device_query`.
Result ReadMemoryRegions(const std::string& render_node, uint32_t major, uint32_t minor,
                         std::string* content);

}  // namespace xe
