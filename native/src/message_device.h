#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xe {

/// Room for one message, above what the kernel makes: a record of /dev/kmsg has at most 8 KiB
/// (CONSOLE_EXT_LOG_MAX, until Linux 6.3; 2 KiB since), the keys of a uevent 2 KiB and its path 4
/// KiB, a line of a trace what one trace_seq holds (a page, 8 KiB since Linux 6.8).
inline constexpr size_t kMaxMessageBytes = 16 * 1024;

/// What one read returned.
struct MessageRead {
  ssize_t length;          // of the message, or -errno; -EAGAIN: nothing left
  uint32_t sender = 0;     // netlink port, 0 for the kernel
  bool truncated = false;  // longer than the buffer
  bool repeated = false;   // came with the message before, by the same read()
};

/// A descriptor of which one read() takes one message, and which says by an errno that messages
/// were lost: what differs between the kernel's and the fake one.
class MessageDevice {
 public:
  virtual ~MessageDevice() = default;

  /// Readable while Read has something else than -EAGAIN to say.
  virtual int fd() const = 0;

  /// Takes one message without blocking. Reader thread.
  virtual MessageRead Read(std::span<uint8_t> buffer) = 0;

  /// How long the thread may rest after Read has said -EAGAIN, before it waits for the next message: a
  /// device that fills slowly and wakes its reader for each message is cheaper to look at now and
  /// then. Reader thread.
  virtual std::chrono::milliseconds Rest() { return std::chrono::milliseconds(0); }

  /// How many messages the device itself says it dropped since it was opened; 0 where it does not
  /// count. Reader thread.
  virtual uint64_t Drops() const = 0;
};

}  // namespace xe
