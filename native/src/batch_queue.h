#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

namespace xe {

/// One read() may return this much, more than a full ring of 512 records of 127 bytes.
inline constexpr size_t kReadBytes = 64 * 1024;

/// What precedes the records of one read() in the drain buffer; little endian, like every machine
/// xe runs on. The layout is the contract of NativeReader.drain in exporter/native/binding.ts.
struct BatchHeader {
  uint32_t pipe;         // 0 where there is but one
  uint32_t length;       // bytes of records that follow, without padding
  int64_t realtime_ns;   // CLOCK_REALTIME right after read() returned
  int64_t monotonic_ns;  // CLOCK_MONOTONIC at the same moment
  uint64_t reserved;

  /// For what has just been read from `pipe`.
  static BatchHeader Now(uint32_t pipe);
};
static_assert(sizeof(BatchHeader) == 32);
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

/// Smallest buffer Drain accepts: any single batch fits.
inline constexpr size_t kMinDrainBytes = sizeof(BatchHeader) + kReadBytes;

/// Largest capacity: guards against a typo in a unit, as the queue is reserved whole.
inline constexpr uint32_t kMaxQueueBytes = 1u << 30;

/// Monotonic counters, except `queued_bytes`.
struct QueueStats {
  uint64_t reads = 0;
  uint64_t bytes_read = 0;
  uint64_t records_read = 0;
  uint64_t records_dropped = 0;
  uint64_t queued_bytes = 0;
  uint64_t queued_bytes_peak = 0;
  uint64_t wakeups = 0;
};

/// The bounded queue between the reader thread and JavaScript: one ring of bytes with whole batches
/// in it. It neither grows nor blocks; a batch that does not fit is counted and forgotten.
/// Every function may be called on any thread and holds the one mutex while it copies.
class BatchQueue {
 public:
  /// Reserves `capacity_bytes`, headers and padding included. Memory is only touched as the queue
  /// fills, and from the start again each time it was empty.
  explicit BatchQueue(size_t capacity_bytes);

  /// Adds what one read() returned, `count` records; `header.length` is set here.
  /// Returns true when the caller must wake JavaScript, that is at most once until BeginWakeUp.
  bool Append(BatchHeader header, std::span<const uint8_t> records, uint64_t count);

  /// Adds nothing, but has JavaScript look: there is news elsewhere. Returns as Append.
  bool Alert();

  /// Called on the JavaScript thread when the wake-up arrives there. Returns false when somebody
  /// drained the queue meanwhile and nobody raised an alert, so that there is nothing to call for.
  bool BeginWakeUp();

  /// Moves whole batches, oldest first, into `target` (at least kMinDrainBytes) and returns the
  /// bytes written. When that empties the queue, the next Append asks for a wake-up again.
  size_t Drain(std::span<uint8_t> target);

  QueueStats Stats() const;

 private:
  enum class WakeUp {
    kIdle,       // the next Append asks for one
    kRequested,  // on its way to the JavaScript thread
    kDelivered,  // JavaScript knows; it drains until the queue is empty
  };

  bool RequestWakeUp();
  void Put(const void* bytes, size_t size);
  void CopyOut(void* target, size_t offset, size_t size) const;

  const size_t capacity_;
  const std::unique_ptr<uint8_t[]> ring_;

  mutable std::mutex mutex_;  // guards everything below
  size_t head_ = 0;           // position of the oldest batch in ring_
  size_t used_ = 0;
  WakeUp wake_up_ = WakeUp::kIdle;
  bool alert_ = false;  // the next wake-up counts even if nothing is queued
  QueueStats stats_;
};

}  // namespace xe
