#pragma once

#include <cstdint>

#include "failure.h"

namespace xe {

/// Has `pipe_fd` report the events of the drm file `drm_fd` under `watch_id`. `request` is the
/// whole ioctl number. Always operation `watch`: EBUSY (this pipe watches that file already),
/// EAGAIN (RLIMIT_NOFILE, counted per user), EINVAL (arguments, or not the watch ioctl at all),
/// ENOENT, ENOMEM, ECANCELED (device wedged), ENODEV (unplugged).
Result AttachXeWatch(int drm_fd, uint32_t request, int pipe_fd, uint32_t watch_id);

}  // namespace xe
