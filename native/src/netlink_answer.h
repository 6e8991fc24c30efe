#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "failure.h"

namespace xe {

/// Puts the answer to one netlink request together from the datagrams that come for it. What they
/// say of their own lengths is believed only as far as it fits. No system calls; one thread.
class NetlinkAnswer {
 public:
  /// `sequence` is that of the request; `most_bytes` what the answer may have. A dump goes on until
  /// its end is told, anything else is answered with one message. That the request says, because
  /// messages of a dump need not have NLM_F_MULTI (genlmsg_iput in net/genetlink.h, Linux 7.2).
  NetlinkAnswer(uint32_t sequence, bool is_dump, size_t most_bytes)
      : sequence_(sequence), is_dump_(is_dump), most_bytes_(most_bytes) {}

  /// Takes one datagram of the kernel, which may lie at any address. Messages for another request
  /// are passed over. Errors, which end the answer: `answer` with the errno that the kernel
  /// answered, at once or at the end of a dump; `dump` EINTR when what was listed has changed
  /// meanwhile, and ENOBUFS when messages are lost; `message` EBADMSG, or EMSGSIZE when it is too
  /// long.
  Result Take(std::span<const uint8_t> datagram);

  /// Nothing more will come.
  bool done() const { return done_; }

  /// The messages taken, each from its struct nlmsghdr on and padded to four bytes.
  const std::string& bytes() const { return bytes_; }

 private:
  Result TakeMessage(std::span<const uint8_t> message);

  const uint32_t sequence_;
  const bool is_dump_;
  const size_t most_bytes_;
  bool done_ = false;
  std::string bytes_;
};

}  // namespace xe
