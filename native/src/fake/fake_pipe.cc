#include "fake/fake_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace xe {

namespace {

constexpr uint32_t RoundedUpToPage(uint32_t records) {
  return (records + kRecordsPerPage - 1) / kRecordsPerPage * kRecordsPerPage;
}

constexpr record::Header kLossRecord = {
    record::kTypeMeta | record::kSubtypeLoss << 24,
    record::kHeaderBytes,
};

}  // namespace

Result FakePipe::Create(uint32_t records, std::shared_ptr<NotificationPipe>* pipe) {
  if (records < 1 || records > kMaxRecords) {
    return Failure{"set_size", EINVAL};
  }
  int ends[2];
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
    return Failure{"pipe2", errno};
  }
  pipe->reset(new FakePipe(RoundedUpToPage(records), UniqueFd(ends[0]), UniqueFd(ends[1])));
  return std::nullopt;
}

FakePipe::FakePipe(uint32_t slots, UniqueFd read_end, UniqueFd write_end)
    : read_end_(std::move(read_end)), write_end_(std::move(write_end)), ring_(slots) {}

/// Follows pipe_read(): a LOSS record comes before anything newer than the record it was noted on,
/// and only a pass after that record was consumed, so an emptied ring still owes it.
ssize_t FakePipe::Read(std::span<uint8_t> buffer) {
  const std::lock_guard lock(mutex_);
  size_t length = 0;
  while (true) {
    if (loss_owed_) {
      if (buffer.size() - length < sizeof(kLossRecord)) {
        return length > 0 ? static_cast<ssize_t>(length) : -ENOBUFS;
      }
      std::memcpy(buffer.data() + length, &kLossRecord, sizeof(kLossRecord));
      length += sizeof(kLossRecord);
      loss_owed_ = false;
    }
    if (used_ == 0) {
      return length > 0 ? static_cast<ssize_t>(length) : -EAGAIN;
    }
    const Slot& oldest = ring_[head_];
    if (buffer.size() - length < oldest.length) {
      return length > 0 ? static_cast<ssize_t>(length) : -ENOBUFS;
    }
    std::memcpy(buffer.data() + length, oldest.bytes, oldest.length);
    length += oldest.length;
    loss_owed_ = oldest.loss_follows;
    head_ = (head_ + 1) % ring_.size();
    used_--;
    if (used_ == 0) {
      char token;
      [[maybe_unused]] const ssize_t taken = read(read_end_.get(), &token, 1);
      return static_cast<ssize_t>(length);
    }
  }
}

Result FakePipe::SetFilter(std::span<const TypeFilter> filters) {
  if (filters.size() > kMaxFilters) {
    return Failure{"set_filter", EINVAL};
  }
  const std::lock_guard lock(mutex_);
  filtered_ = !filters.empty();
  filters_.assign(filters.begin(), filters.end());
  return std::nullopt;
}

PostOutcome FakePipe::Post(std::span<const uint8_t> records) {
  for (auto rest = records; !rest.empty();) {
    const size_t length = record::WholeLength(rest);
    if (length == 0) {
      return {Failure{"post", EINVAL}};
    }
    rest = rest.subspan(length);
  }

  const std::lock_guard lock(mutex_);
  PostOutcome outcome;
  for (auto rest = records; !rest.empty();) {
    const size_t length = record::WholeLength(rest);
    if (Passes(record::ReadHeader(rest.data())) && !Push(rest.first(length))) {
      outcome.dropped++;
    }
    rest = rest.subspan(length);
  }
  return outcome;
}

/// The rule of filter_watch_notification(); META records never reach it in the kernel. The mutex is
/// held.
bool FakePipe::Passes(const record::Header& header) const {
  if (!filtered_ || header.type() == record::kTypeMeta) {
    return true;
  }
  return std::any_of(filters_.begin(), filters_.end(), [&header](const TypeFilter& filter) {
    return filter.type == header.type() && header.subtype() < 32 &&
           (filter.subtype_mask >> header.subtype() & 1) != 0;
  });
}

/// Queues one record, or notes the loss on the newest one; returns false then. The mutex is held.
bool FakePipe::Push(std::span<const uint8_t> record) {
  if (used_ == ring_.size()) {
    ring_[(head_ + used_ - 1) % ring_.size()].loss_follows = true;
    return false;
  }
  Slot& slot = ring_[(head_ + used_) % ring_.size()];
  std::memcpy(slot.bytes, record.data(), record.size());
  slot.length = static_cast<uint8_t>(record.size());
  slot.loss_follows = false;
  used_++;
  if (used_ == 1) {
    [[maybe_unused]] const ssize_t put = write(write_end_.get(), "", 1);
  }
  return true;
}

}  // namespace xe
