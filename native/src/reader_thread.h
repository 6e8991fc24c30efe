#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "batch_queue.h"
#include "failure.h"
#include "native_thread.h"
#include "notification_source.h"

namespace xe {

/// The one thread that reads all pipes of a source into a queue. It never waits for JavaScript.
class ReaderThread {
 public:
  /// `wake` is called on the reader thread, never under a lock, each time the queue asks for it.
  /// Source and queue must outlive the thread.
  ReaderThread(NotificationSource* source, BatchQueue* queue, std::function<void()> wake);
  ~ReaderThread() { Stop(); }

  /// Starts the thread, once; later calls do nothing. Error: `pthread_create` EAGAIN.
  Result Start();

  /// Has the thread look at every pipe a last time, then joins it. Safe to repeat. No further
  /// wake-up is asked for once this returns.
  void Stop();

 private:
  void Run();
  void Activate(uint32_t pipe);
  bool ReadSome(uint32_t pipe, int max_reads);

  NotificationSource* const source_;
  BatchQueue* const queue_;
  const std::function<void()> wake_;

  NativeThread thread_;
  std::atomic<bool> stop_ = false;  // set before Interrupt, read after Wait

  // Reader thread only.
  std::unique_ptr<uint8_t[]> buffer_;
  std::vector<uint32_t> active_;  // pipes not yet read until EAGAIN, in turn
  std::vector<bool> is_active_;   // by pipe
};

}  // namespace xe
