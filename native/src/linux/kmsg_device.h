#pragma once

#include <memory>
#include <string>

#include "failure.h"
#include "message_device.h"
#include "unique_fd.h"

namespace xe {

/// The kernel log as /dev/kmsg gives it, one record a read. Each open file has a position of its
/// own: reading takes nothing from others.
class KmsgDevice : public MessageDevice {
 public:
  /// Starts behind the last record or, `since_boot`, at the oldest that is still there.
  /// Errors: `open` (ENOENT; EPERM: device cgroup, kernel.dmesg_restrict without CAP_SYSLOG, or
  /// printk.devkmsg=off; EACCES), `lseek` for what is not such a device.
  static Result Open(const std::string& path, bool since_boot,
                     std::unique_ptr<MessageDevice>* device);

  int fd() const override { return file_.get(); }
  /// -ENODATA for an end of file, which a kernel log does not have.
  MessageRead Read(std::span<uint8_t> buffer) override;
  uint64_t Drops() const override { return 0; }

 private:
  explicit KmsgDevice(UniqueFd file) : file_(std::move(file)) {}

  const UniqueFd file_;
};

}  // namespace xe
