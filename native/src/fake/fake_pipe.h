#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "notification_pipe.h"
#include "record.h"
#include "unique_fd.h"

namespace xe {

/// A notification pipe without the kernel: the ring, the filter and the LOSS rule of
/// kernel/watch_queue.c and fs/pipe.c (Linux 7.2) in user space. An ordinary pipe holds one byte
/// while the ring holds a record, so that the real epoll and the real reader thread run on it.
class FakePipe : public NotificationPipe {
 public:
  /// Same sizes and refusals as the kernel: `set_size` EINVAL outside 1..512, rounded up to a page
  /// of 32 slots; `pipe2` EMFILE or ENFILE.
  static Result Create(uint32_t records, std::shared_ptr<NotificationPipe>* pipe);

  int read_fd() const override { return read_end_.get(); }
  ssize_t Read(std::span<uint8_t> buffer) override;
  /// `set_filter` EINVAL for more entries than the kernel takes.
  Result SetFilter(std::span<const TypeFilter> filters) override;
  /// Always succeeds.
  Result Watch(const WatchRequest&) override { return std::nullopt; }
  /// `post` EINVAL, and nothing posted, unless `records` is whole records throughout.
  PostOutcome Post(std::span<const uint8_t> records) override;

 private:
  struct Slot {
    uint8_t bytes[record::kMaxBytes];
    uint8_t length;
    bool loss_follows;  // a record was dropped while this one was the newest
  };

  FakePipe(uint32_t slots, UniqueFd read_end, UniqueFd write_end);
  bool Passes(const record::Header& header) const;
  bool Push(std::span<const uint8_t> record);

  const UniqueFd read_end_;
  const UniqueFd write_end_;

  std::mutex mutex_;  // guards everything below; never held across anything that sleeps
  std::vector<Slot> ring_;
  size_t head_ = 0;  // the oldest record
  size_t used_ = 0;
  bool loss_owed_ = false;
  bool filtered_ = false;
  std::vector<TypeFilter> filters_;
};

}  // namespace xe
