#include "batch_queue.h"

#include <time.h>

#include <algorithm>
#include <cstring>

namespace xe {

namespace {

constexpr size_t kAlignment = 8;

constexpr size_t Padded(size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

static_assert(kMinDrainBytes == Padded(kMinDrainBytes));

int64_t NowNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

BatchHeader BatchHeader::Now(uint32_t pipe) {
  BatchHeader header = {};
  header.pipe = pipe;
  header.realtime_ns = NowNs(CLOCK_REALTIME);
  header.monotonic_ns = NowNs(CLOCK_MONOTONIC);
  return header;
}

BatchQueue::BatchQueue(size_t capacity_bytes)
    : capacity_(capacity_bytes), ring_(new uint8_t[capacity_bytes]) {}

bool BatchQueue::Append(BatchHeader header, std::span<const uint8_t> records, uint64_t count) {
  const size_t padding = Padded(records.size()) - records.size();
  const size_t size = sizeof(header) + records.size() + padding;
  header.length = static_cast<uint32_t>(records.size());

  const std::lock_guard lock(mutex_);
  stats_.reads++;
  stats_.bytes_read += records.size();
  stats_.records_read += count;
  if (size > capacity_ - used_) {
    stats_.records_dropped += count;
    return false;
  }

  static constexpr uint8_t kZeros[kAlignment] = {};
  Put(&header, sizeof(header));
  Put(records.data(), records.size());
  Put(kZeros, padding);
  stats_.queued_bytes_peak = std::max<uint64_t>(stats_.queued_bytes_peak, used_);
  return RequestWakeUp();
}

bool BatchQueue::Alert() {
  const std::lock_guard lock(mutex_);
  alert_ = true;
  return RequestWakeUp();
}

bool BatchQueue::BeginWakeUp() {
  const std::lock_guard lock(mutex_);
  if (used_ == 0 && !alert_) {
    wake_up_ = WakeUp::kIdle;
    return false;
  }
  alert_ = false;
  wake_up_ = WakeUp::kDelivered;
  stats_.wakeups++;
  return true;
}

size_t BatchQueue::Drain(std::span<uint8_t> target) {
  const std::lock_guard lock(mutex_);
  size_t written = 0;
  while (written < used_) {
    BatchHeader header;
    CopyOut(&header, written, sizeof(header));
    const size_t size = sizeof(header) + Padded(header.length);
    if (size > target.size() - written) {
      break;
    }
    CopyOut(target.data() + written, written, size);
    written += size;
  }

  used_ -= written;
  head_ = used_ == 0 ? 0 : (head_ + written) % capacity_;
  // A wake-up still on its way is left alone: it finds the queue as it is then.
  if (used_ == 0 && wake_up_ == WakeUp::kDelivered) {
    wake_up_ = WakeUp::kIdle;
    alert_ = false;
  }
  return written;
}

QueueStats BatchQueue::Stats() const {
  const std::lock_guard lock(mutex_);
  QueueStats stats = stats_;
  stats.queued_bytes = used_;
  return stats;
}

/// Returns true when nobody has yet. The mutex is held.
bool BatchQueue::RequestWakeUp() {
  if (wake_up_ != WakeUp::kIdle) {
    return false;
  }
  wake_up_ = WakeUp::kRequested;
  return true;
}

/// Appends bytes that are known to fit. The mutex is held.
void BatchQueue::Put(const void* bytes, size_t size) {
  if (size == 0) {
    return;
  }
  const size_t tail = (head_ + used_) % capacity_;
  const size_t first = std::min(size, capacity_ - tail);
  std::memcpy(ring_.get() + tail, bytes, first);
  std::memcpy(ring_.get(), static_cast<const uint8_t*>(bytes) + first, size - first);
  used_ += size;
}

/// Copies `size` queued bytes, `offset` bytes behind the oldest. The mutex is held.
void BatchQueue::CopyOut(void* target, size_t offset, size_t size) const {
  const size_t start = (head_ + offset) % capacity_;
  const size_t first = std::min(size, capacity_ - start);
  std::memcpy(target, ring_.get() + start, first);
  std::memcpy(static_cast<uint8_t*>(target) + first, ring_.get(), size - first);
}

}  // namespace xe
