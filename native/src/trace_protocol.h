#pragma once

#include <span>

#include "message_protocol.h"

namespace xe {

/// Lines of trace_pipe. The events are not numbered, but a line `CPU:<n> [LOST <n> EVENTS]` says how
/// many the ring has overwritten before they could be read (print_trace_line in
/// kernel/trace/trace.c, Linux 7.3).
class TraceProtocol : public MessageProtocol {
 public:
  /// A line too long for the buffer is one lost message.
  Verdict Judge(const MessageRead& read, std::span<const uint8_t> message) override;
  uint64_t Settle() override { return 0; }
};

}  // namespace xe
