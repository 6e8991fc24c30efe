#pragma once

#include <cstdint>
#include <span>

#include "message_device.h"

namespace xe {

/// What a read means.
struct Verdict {
  enum Kind {
    kMessage,  // from the kernel
    kForeign,  // from somebody else, or no message of this protocol
    kLoss,     // no message: some are gone
    kFailure,  // the device is of no more use
  };
  Kind kind;
  uint64_t missing = 0;  // messages now known to be gone
};

/// Tells the kernel's own messages from others and counts what is missing between them. Reader
/// thread only.
class MessageProtocol {
 public:
  virtual ~MessageProtocol() = default;

  /// Judges a read other than -EAGAIN and -EINTR; `message` is empty unless it returned one.
  virtual Verdict Judge(const MessageRead& read, std::span<const uint8_t> message) = 0;

  /// Nothing is left to read: the messages that are known to be gone only now.
  virtual uint64_t Settle() = 0;
};

}  // namespace xe
