#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "batch_queue.h"
#include "failure.h"
#include "keep_filter.h"
#include "message_device.h"
#include "message_protocol.h"
#include "native_thread.h"
#include "pipe_poller.h"

namespace xe {

/// What became of the messages so far: read = foreign + unwanted + kept. All but `failure` only
/// grow.
struct MessageStats {
  uint64_t read = 0;
  uint64_t foreign = 0;   // not the kernel's
  uint64_t unwanted = 0;  // the filter's
  uint64_t kept = 0;
  uint64_t loss_notices = 0;
  uint64_t missing = 0;  // never read, at the least
  Result failure;  // the thread has ended by itself
};

/// Where messages come from, and what tells them apart.
struct MessageOrigin {
  std::unique_ptr<MessageDevice> device;
  std::unique_ptr<MessageProtocol> protocol;
};

/// The thread that reads one device into a queue. It never waits for JavaScript.
class MessageThread {
 public:
  /// `wake` is called on the thread, never under a lock, each time the queue asks for it. The queue
  /// must outlive the thread.
  MessageThread(MessageOrigin origin, KeepFilter filter, BatchQueue* queue,
                std::function<void()> wake);
  ~MessageThread() { Stop(); }

  /// Starts it, once. Errors: see PipePoller::Open, PipePoller::Add and NativeThread::Start.
  Result Start();

  /// Has the thread read a last time, then joins it. Safe to repeat. No further wake-up is asked
  /// for once this returns.
  void Stop();

  /// A consistent snapshot. Any thread.
  MessageStats Stats() const;

 private:
  enum class Turn { kMore, kDrained, kFailed };

  void Run();
  Turn ReadSome();
  void Count(const Verdict& verdict, bool wanted);
  void CountSettled(uint64_t missing);
  void Fail(int error);
  void Append(const MessageRead& read, std::span<const uint8_t> message);
  void Alert();
  void Wake();

  const MessageOrigin origin_;
  const KeepFilter filter_;
  BatchQueue* const queue_;
  const std::function<void()> wake_;
  PipePoller poller_;
  NativeThread thread_;
  std::atomic<bool> stop_ = false;  // set before Interrupt, read after Wait

  // Reader thread only.
  std::unique_ptr<uint8_t[]> buffer_;
  bool wake_wanted_ = false;  // by the queue, at the end of the turn
  BatchHeader stamp_ = {};

  mutable std::mutex mutex_;  // guards stats_; never held while reading or appending
  MessageStats stats_;
};

}  // namespace xe
