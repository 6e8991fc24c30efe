#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "notification_pipe.h"
#include "pipe_poller.h"

namespace xe {

/// The native door to notifications, five verbs wide: Open, Watch, Wait, Interrupt, Close. Which
/// pipes stand behind it, the kernel's or the fake's, is decided once by the factory.
class NotificationSource {
 public:
  using PipeFactory = std::function<Result(uint32_t records, std::shared_ptr<NotificationPipe>*)>;

  explicit NotificationSource(PipeFactory make_pipe) : make_pipe_(std::move(make_pipe)) {}

  /// Makes what Wait needs, once; later calls succeed and do nothing. JavaScript thread, before the
  /// reader thread starts. Errors: see PipePoller::Open; `open` EBADF after Close.
  Result Prepare();

  /// Makes a pipe of `records` slots and has Wait report it under `*index`. JavaScript thread.
  Result Open(uint32_t records, uint32_t* index);

  /// The pipe itself, for SetFilter, Watch and Post, or null when there is none or after Close.
  /// Whoever holds it keeps its descriptors open. Any thread.
  std::shared_ptr<NotificationPipe> Find(uint32_t index) const;

  /// Borrows and watches, see NotificationPipe::Watch. Thread pool; `watch` EBADF without the pipe.
  Result Watch(uint32_t index, const WatchRequest& request);

  /// Appends the pipes that have records to `ready`, see PipePoller::Wait. Reader thread.
  void Wait(bool block, std::vector<uint32_t>* ready) { poller_.Wait(block, ready); }

  /// Ends the present or the next Wait. JavaScript thread, before Close.
  void Interrupt() { poller_.Interrupt(); }

  /// Lets go of all pipes. JavaScript thread, after the reader thread was joined. A watch in flight
  /// still owns its pipe, whose descriptors then close when it ends.
  void Close();

  uint32_t pipe_count() const;

 private:
  const PipeFactory make_pipe_;
  PipePoller poller_;

  mutable std::mutex mutex_;  // guards everything below
  std::vector<std::shared_ptr<NotificationPipe>> pipes_;
  bool closed_ = false;
};

}  // namespace xe
