#include "linux/kmsg_device.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace xe {

Result KmsgDevice::Open(const std::string& path, bool since_boot,
                        std::unique_ptr<MessageDevice>* device) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!file) {
    return Failure{"open", errno};
  }
  // SEEK_SET, not SEEK_DATA, which passes over what was there at the last `dmesg --clear`.
  if (lseek(file.get(), 0, since_boot ? SEEK_SET : SEEK_END) < 0) {
    return Failure{"lseek", errno};
  }
  device->reset(new KmsgDevice(std::move(file)));
  return std::nullopt;
}

MessageRead KmsgDevice::Read(std::span<uint8_t> buffer) {
  const ssize_t length = read(file_.get(), buffer.data(), buffer.size());
  if (length < 0) {
    return {-errno};
  }
  return {length == 0 ? -ENODATA : length};
}

}  // namespace xe
