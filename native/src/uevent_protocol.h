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
/// in another order than that in which they were given out.
class UeventProtocol : public MessageProtocol {
 public:
  /// The device must outlive it.
  explicit UeventProtocol(const MessageDevice* device) : device_(device) {}

  /// ENOBUFS: the buffer was full. It is said once until the buffer has been emptied, ahead of what
  /// is in it, and more can be dropped meanwhile. The kernel says it before it counts the message
  /// (netlink_overrun), so what it announces may be counted later, or have been counted by Settle.
  Verdict Judge(const MessageRead& read, std::span<const uint8_t> message) override;
  uint64_t Settle() override;

 private:
  uint64_t AnnouncedDrops();
  uint64_t NewDrops();

  const MessageDevice* const device_;
  uint64_t known_drops_ = 0;      // counted as missing; one ahead of the kernel at the most
  uint64_t announced_drops_ = 0;  // of these, when ENOBUFS was last read
};

}  // namespace xe
