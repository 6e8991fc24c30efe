#include "uevent_protocol.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace xe {

Verdict UeventProtocol::Judge(const MessageRead& read, std::span<const uint8_t> /*message*/) {
  if (read.length < 0) {
    if (read.length != -ENOBUFS) {
      return {Verdict::kFailure};
    }
    return {Verdict::kLoss, AnnouncedDrops()};
  }
  if (read.sender != 0) {
    return {Verdict::kForeign};
  }
  if (read.truncated) {
    return {Verdict::kLoss, 1};
  }
  return {Verdict::kMessage};
}

uint64_t UeventProtocol::Settle() {
  return NewDrops();
}

/// At least one since the last time, if only on credit.
uint64_t UeventProtocol::AnnouncedDrops() {
  uint64_t drops = NewDrops();
  if (known_drops_ == announced_drops_) {
    known_drops_++;
    drops++;
  }
  announced_drops_ = known_drops_;
  return drops;
}

uint64_t UeventProtocol::NewDrops() {
  const uint64_t drops = device_->Drops();
  if (drops <= known_drops_) {
    return 0;
  }
  return drops - std::exchange(known_drops_, drops);
}

}  // namespace xe
