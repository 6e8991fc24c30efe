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
    congested_ = true;
    return {Verdict::kLoss, std::max<uint64_t>(NewDrops(), 1)};
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
  return std::exchange(congested_, false) ? NewDrops() : 0;
}

uint64_t UeventProtocol::NewDrops() {
  const uint64_t drops = device_->Drops();
  return drops - std::exchange(known_drops_, drops);
}

}  // namespace xe
