#pragma once

#include <cstdint>

#include "message_protocol.h"

namespace xe {

/// Uevents: `action@devpath`, then `KEY=value` each ended by a zero byte (lib/kobject_uevent.c,
/// Linux 7.2). Only what comes from port 0 is the kernel's.
///
/// What is lost is what the socket dropped, which the kernel counts for each socket. SEQNUM cannot
/// tell: it is one counter for all network namespaces, and the events of network devices go to
/// their own one alone, so every container that starts somewhere makes a gap. Numbers may also come
/// in another order than that in which they were given out. They are counted apart.
class UeventProtocol : public MessageProtocol {
 public:
  /// The device must outlive it.
  explicit UeventProtocol(const MessageDevice* device) : device_(device) {}

  /// ENOBUFS: the buffer was full. It is said once until the buffer has been emptied, ahead of what
  /// is in it, and more can be dropped meanwhile.
  Verdict Judge(const MessageRead& read, std::span<const uint8_t> message) override;
  uint64_t Settle() override;
  /// Numbers between the first and the highest seen that have not come (yet).
  uint64_t sequence_gaps() const override;

 private:
  uint64_t NewDrops();
  void Note(std::span<const uint8_t> message);

  const MessageDevice* const device_;
  uint64_t known_drops_ = 0;
  bool congested_ = false;  // ENOBUFS was read, and not everything since then
  uint64_t first_ = 0;      // SEQNUM starts at 1
  uint64_t highest_ = 0;
  uint64_t seen_ = 0;  // numbers from first_ on
};

}  // namespace xe
