#include "linux/drm_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "linux/ioctl_call.h"
#include "linux/process_stat.h"
#include "linux/read_file.h"
#include "linux/uapi/xe_device_query.h"
#include "unique_fd.h"

namespace xe {

namespace {

/// Two regions have 184 bytes.
constexpr uint32_t kMostQueryBytes = 64 * 1024;

Result CheckDevice(const struct stat& file, uint32_t major, uint32_t minor) {
  if (!S_ISCHR(file.st_mode) || major(file.st_rdev) != major || minor(file.st_rdev) != minor) {
    return Failure{"device", ENODEV};
  }
  return std::nullopt;
}

}  // namespace

Result RequireAwake(const std::string& runtime_status) {
  std::string status;
  if (ReadFile(AT_FDCWD, runtime_status.c_str(), &status)) {
    return std::nullopt;
  }
  const bool awake = status.starts_with("active") || status.starts_with("unsupported");
  return awake ? Result() : Failure{"asleep", EAGAIN};
}

Result ReadFdinfo(const std::string& proc_root, const BorrowTarget& target, std::string* content) {
  // All through the open directory: it stays with the process, even when its pid is given away.
  const std::string path = proc_root + "/" + std::to_string(target.pid);
  const UniqueFd process(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!process) {
    return Failure{"open", errno};
  }
  ProcessStat stat;
  const int error = ReadProcessStat(process.get(), "stat", &stat);
  if (error != 0 || stat.start_time != target.start_time) {
    return Failure{"identity", error != 0 && error != ENOENT ? error : ESRCH};
  }
  const std::string fd = std::to_string(target.fd);
  struct stat file;
  if (fstatat(process.get(), ("fd/" + fd).c_str(), &file, 0) != 0) {
    return Failure{"fstat", errno};
  }
  if (const Result failure = CheckDevice(file, target.major, target.minor)) {
    return failure;
  }
  return ReadFile(process.get(), ("fdinfo/" + fd).c_str(), content);
}

Result ReadMemoryRegions(const std::string& render_node, uint32_t major, uint32_t minor,
                         std::string* content) {
  const UniqueFd node(open(render_node.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!node) {
    return Failure{"open", errno};
  }
  struct stat file;
  if (fstat(node.get(), &file) != 0) {
    return Failure{"fstat", errno};
  }
  if (const Result failure = CheckDevice(file, major, minor)) {
    return failure;
  }
  uapi::XeDeviceQuery query = {};
  query.query = uapi::kXeQueryMemRegions;
  if (Ioctl(node.get(), uapi::kDrmIoctlXeDeviceQuery, &query) != 0) {
    return Failure{"device_query", errno};
  }
  if (query.size > kMostQueryBytes) {
    return Failure{"device_query", EOVERFLOW};
  }
  content->assign(query.size, '\0');
  query.data = reinterpret_cast<uintptr_t>(content->data());
  if (Ioctl(node.get(), uapi::kDrmIoctlXeDeviceQuery, &query) != 0) {
    return Failure{"device_query", errno};
  }
  return std::nullopt;
}

}  // namespace xe
