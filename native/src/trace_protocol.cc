#include "trace_protocol.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace xe {

namespace {

constexpr std::string_view kLost = " [LOST ";

/// How many events the line says are gone, at least 1; 0 when it is not such a line. The kernel
/// does not always know the number.
uint64_t LostBefore(std::string_view line) {
  const size_t at = line.find(kLost);
  if (!line.starts_with("CPU:") || !line.ends_with("EVENTS]") || at == std::string_view::npos) {
    return 0;
  }
  uint64_t lost = 0;
  std::from_chars(line.data() + at + kLost.size(), line.data() + line.size(), lost);
  return std::max<uint64_t>(lost, 1);
}

}  // namespace

Verdict TraceProtocol::Judge(const MessageRead& read, std::span<const uint8_t> message) {
  if (read.length < 0) {
    return {Verdict::kFailure};
  }
  if (read.truncated) {
    return {Verdict::kLoss, 1};
  }
  const uint64_t lost =
      LostBefore({reinterpret_cast<const char*>(message.data()), message.size()});
  return lost == 0 ? Verdict{Verdict::kMessage} : Verdict{Verdict::kLoss, lost};
}

}  // namespace xe
