#pragma once

#include <span>

#include "message_protocol.h"

namespace xe {

/// Lines of trace_pipe. Nothing in them numbers the events: what the ring has overwritten is in its
/// own counters (per_cpu/cpu*/stats), which belong to whoever set the ring up.
class TraceProtocol : public MessageProtocol {
 public:
  /// A line too long for the buffer is one lost message.
  Verdict Judge(const MessageRead& read, std::span<const uint8_t>) override {
    if (read.length < 0) {
      return {Verdict::kFailure};
    }
    return read.truncated ? Verdict{Verdict::kLoss, 1} : Verdict{Verdict::kMessage};
  }
  uint64_t Settle() override { return 0; }
};

}  // namespace xe
