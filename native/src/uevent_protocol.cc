#include "uevent_protocol.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

namespace xe {

namespace {

/// The last key of every uevent.
constexpr std::string_view kSequenceKey("\0SEQNUM=", 8);

/// 0 when there is none.
uint64_t SequenceOf(std::span<const uint8_t> message) {
  const std::string_view text(reinterpret_cast<const char*>(message.data()), message.size());
  const size_t key = text.rfind(kSequenceKey);
  uint64_t sequence = 0;
  if (key != std::string_view::npos) {
    const char* const digits = text.data() + key + kSequenceKey.size();
    std::from_chars(digits, text.data() + text.size(), sequence);
  }
  return sequence;
}

}  // namespace

Verdict UeventProtocol::Judge(const MessageRead& read, std::span<const uint8_t> message) {
  if (read.length < 0) {
    if (read.length != -ENOBUFS) {
      return {Verdict::kFailure};
    }
    congested_ = true;
    return {Verdict::kLoss, std::max<uint64_t>(NewDrops(), 1)};
  }
  if (read.sender != 0) {
    return {Verdict::kForeign};
  }
  if (read.truncated) {
    return {Verdict::kLoss, 1};
  }
  Note(message);
  return {Verdict::kMessage};
}

uint64_t UeventProtocol::Settle() {
  return std::exchange(congested_, false) ? NewDrops() : 0;
}

uint64_t UeventProtocol::NewDrops() {
  const uint64_t drops = device_->Drops();
  return drops - std::exchange(known_drops_, drops);
}

void UeventProtocol::Note(std::span<const uint8_t> message) {
  const uint64_t sequence = SequenceOf(message);
  if (sequence == 0 || sequence < first_) {
    return;
  }
  first_ = first_ == 0 ? sequence : first_;
  highest_ = std::max(highest_, sequence);
  seen_++;
}

uint64_t UeventProtocol::sequence_gaps() const {
  const uint64_t given_out = seen_ == 0 ? 0 : highest_ - first_ + 1;
  return given_out - std::min(given_out, seen_);
}

}  // namespace xe
