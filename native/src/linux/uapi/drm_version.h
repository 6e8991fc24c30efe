#pragma once

#include <sys/ioctl.h>

#include <cstddef>

/// Our own definition of struct drm_version (include/uapi/drm/drm.h, Linux 7.2), so that neither
/// libdrm nor its headers are needed.
namespace xe::uapi {

struct DrmVersion {
  int version_major;
  int version_minor;
  int version_patchlevel;
  size_t name_len;  // in: room in `name`; out: length of the whole name, without a final zero
  char* name;
  size_t date_len;
  char* date;
  size_t desc_len;
  char* desc;
};
#if __SIZEOF_POINTER__ == 8
static_assert(sizeof(DrmVersion) == 64);
static_assert(offsetof(DrmVersion, name_len) == 16);
static_assert(offsetof(DrmVersion, name) == 24);
static_assert(offsetof(DrmVersion, date_len) == 32);
static_assert(offsetof(DrmVersion, desc) == 56);
#endif

inline constexpr unsigned long kDrmIoctlVersion = _IOWR('d', 0x00, DrmVersion);

}  // namespace xe::uapi
