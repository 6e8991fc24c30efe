#include "kmsg_protocol.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

namespace xe {

namespace {

/// A device that passes over no record when it refuses one would refuse for ever.
constexpr int kMaxRefusals = 16;
/// Below the facility, a priority has the level.
constexpr int kLevelBits = 3;

/// Parses a number and the comma behind it; moves `*at` behind both.
bool ParseField(const char** at, const char* end, uint64_t* value) {
  const auto parsed = std::from_chars(*at, end, *value);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != ',') {
    return false;
  }
  *at = parsed.ptr + 1;
  return true;
}

}  // namespace

Verdict KmsgProtocol::Judge(const MessageRead& read, std::span<const uint8_t> message) {
  if (read.length < 0) {
    refusals_ = read.length == -EINVAL ? refusals_ + 1 : 0;
    if ((read.length != -EPIPE && read.length != -EINVAL) || refusals_ > kMaxRefusals) {
      return {Verdict::kFailure};
    }
    notice_open_ = true;
    return {Verdict::kLoss};
  }
  refusals_ = 0;

  const char* at = reinterpret_cast<const char*>(message.data());
  const char* const end = at + message.size();
  uint64_t priority = 0;
  uint64_t sequence = 0;
  if (!ParseField(&at, end, &priority) || !ParseField(&at, end, &sequence)) {
    return {Verdict::kForeign};
  }
  const bool from_kernel = priority >> kLevelBits == 0;
  return {from_kernel ? Verdict::kMessage : Verdict::kForeign, MissingBefore(sequence)};
}

/// Without a record read before, the first announced loss has no number: at least one is gone.
uint64_t KmsgProtocol::MissingBefore(uint64_t sequence) {
  const uint64_t at_least = std::exchange(notice_open_, false) ? 1 : 0;
  const uint64_t gap = expected_ && sequence > *expected_ ? sequence - *expected_ : 0;
  expected_ = sequence + 1;
  return std::max(gap, at_least);
}

/// The record that tells the number was overwritten as well: the next one that is read has the
/// rest.
uint64_t KmsgProtocol::Settle() {
  if (!std::exchange(notice_open_, false)) {
    return 0;
  }
  if (expected_) {
    ++*expected_;
  }
  return 1;
}

}  // namespace xe
