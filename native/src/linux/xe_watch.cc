#include "linux/xe_watch.h"

#include <cerrno>

#include "linux/ioctl_call.h"
#include "linux/uapi/xe_watch.h"

namespace xe {

Result AttachXeWatch(int drm_fd, uint32_t request, int pipe_fd, uint32_t watch_id) {
  uapi::XeWatchQueue argument = {};
  argument.fd = static_cast<uint32_t>(pipe_fd);
  argument.watch_id = watch_id;
  if (Ioctl(drm_fd, request, &argument) != 0) {
    return Failure{"watch", errno};
  }
  return std::nullopt;
}

}  // namespace xe
