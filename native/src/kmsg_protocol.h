#pragma once

#include <cstdint>
#include <optional>

#include "message_protocol.h"

namespace xe {

/// Records of /dev/kmsg: `<priority>,<sequence>,<time>,<flags>;text` (kernel/printk/printk.c).
/// Facility 0 is the kernel's: what user space writes gets another one. Every record has a sequence
/// number, whoever wrote it, so those that were overwritten are counted exactly.
class KmsgProtocol : public MessageProtocol {
 public:
  /// EPIPE: records were overwritten before they were read; the next one tells how many. EINVAL:
  /// one was longer than the buffer and has been passed over.
  Verdict Judge(const MessageRead& read, std::span<const uint8_t> message) override;
  uint64_t Settle() override;

 private:
  uint64_t MissingBefore(uint64_t sequence);

  std::optional<uint64_t> expected_;  // the sequence number that comes next
  bool notice_open_ = false;          // a loss was announced, its number is still to come
  int refusals_ = 0;                  // EINVAL without a record in between
};

}  // namespace xe
