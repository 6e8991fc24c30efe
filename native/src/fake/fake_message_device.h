#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "failure.h"
#include "message_device.h"
#include "unique_fd.h"

namespace xe {

/// A message device without the kernel: messages and errors come out as they were posted. An
/// eventfd is readable while there are some, so that the real epoll and the real reader thread run
/// on it.
class FakeMessageDevice : public MessageDevice {
 public:
  /// Error: `eventfd`.
  static Result Open(std::unique_ptr<FakeMessageDevice>* device);

  int fd() const override { return ready_.get(); }
  MessageRead Read(std::span<uint8_t> buffer) override;
  uint64_t Drops() const override;

  /// Queues one message. Returns false when as many are queued as the device holds. Any thread.
  bool Post(std::span<const uint8_t> message, uint32_t sender);
  /// Queues an errno, as of a device that dropped `drops` more messages. As Post.
  bool PostError(int error, uint64_t drops);

 private:
  struct Posted {
    std::vector<uint8_t> message;
    uint32_t sender;
    int error;  // 0: a message
    uint64_t drops;
  };

  explicit FakeMessageDevice(UniqueFd ready) : ready_(std::move(ready)) {}
  bool Push(Posted posted);

  const UniqueFd ready_;

  mutable std::mutex mutex_;  // guards everything below
  std::deque<Posted> queue_;
  uint64_t drops_ = 0;
};

}  // namespace xe
