#pragma once

#include <memory>

#include "notification_pipe.h"
#include "unique_fd.h"

namespace xe {

/// The kernel's notification pipe. Both ends stay open until the last owner is gone: without a
/// write end, an empty read would be an end of file instead of EAGAIN (fs/pipe.c, Linux 7.2).
class WatchQueue : public NotificationPipe {
 public:
  /// Makes and sizes a pipe; the kernel rounds `records` up to a page of 32. Errors: `pipe2` ENOPKG
  /// (no CONFIG_WATCH_QUEUE), EINVAL (before Linux 5.8), EMFILE, ENFILE, ENOMEM; `set_size` EINVAL
  /// (not 1..512), EPERM (pipe pages of this user), ENOMEM. An unsized pipe drops everything
  /// silently, so none is ever handed out.
  static Result Create(uint32_t records, std::shared_ptr<WatchQueue>* queue);

  int read_fd() const override { return read_end_.get(); }
  ssize_t Read(std::span<uint8_t> buffer) override;
  /// `set_filter` EINVAL for more than 16 entries. The kernel ignores entries of types it does not
  /// know, and a filter of nothing else blocks everything.
  Result SetFilter(std::span<const TypeFilter> filters) override;
  /// See BorrowFd and AttachXeWatch for the errors.
  Result Watch(const WatchRequest& request) override;
  /// `post` ENODEV: only the kernel posts here.
  PostOutcome Post(std::span<const uint8_t> records) override;

 private:
  WatchQueue(UniqueFd read_end, UniqueFd write_end);

  const UniqueFd read_end_;
  const UniqueFd write_end_;
};

}  // namespace xe
