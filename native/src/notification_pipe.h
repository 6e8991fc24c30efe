#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "failure.h"

namespace xe {

/// Kernel maximum of one pipe (kernel/watch_queue.c, Linux 7.2): 512 records, in pages of 32.
inline constexpr uint32_t kMaxRecords = 512;
inline constexpr uint32_t kRecordsPerPage = 32;
/// Most entries one filter may have, same source.
inline constexpr size_t kMaxFilters = 16;

/// Lets records of `type` through whose subtype (0..31) has its bit set.
struct TypeFilter {
  uint32_t type;
  uint32_t subtype_mask;
};

/// One open file of one process, and what proves that it is still that file of that process.
struct BorrowTarget {
  int pid;
  uint64_t start_time;  // field 22 of /proc/<pid>/stat, clock ticks since boot
  int fd;
  uint32_t major;
  uint32_t minor;
};

/// A watch to place on that file, with the ioctl number the probe found.
struct WatchRequest {
  BorrowTarget target;
  uint32_t watch_id;
  uint32_t request;
};

/// What Post did: a refusal, or how many records the full ring dropped.
struct PostOutcome {
  Result failure;
  uint32_t dropped = 0;
};

/// What differs between the kernel's notification pipe and the fake one. The descriptors close with
/// the last owner, so a watch in flight keeps the number it handed to the kernel from being reused.
class NotificationPipe {
 public:
  virtual ~NotificationPipe() = default;

  /// Readable whenever a record is queued; an owed LOSS record alone does not show.
  virtual int read_fd() const = 0;

  /// read(2) without blocking: the byte count of whole records, or -errno (EAGAIN: nothing left,
  /// not even an owed LOSS record). `buffer` holds at least record::kMaxBytes. Reader thread.
  virtual ssize_t Read(std::span<uint8_t> buffer) = 0;

  /// Replaces the filter; no entries remove it. Any thread, while records flow.
  virtual Result SetFilter(std::span<const TypeFilter> filters) = 0;

  /// Borrows the target's file, watches it through this pipe and lets it go. May block: never call
  /// it on the JavaScript or the reader thread.
  virtual Result Watch(const WatchRequest& request) = 0;

  /// Posts whole records as the kernel would. Only the fake can.
  virtual PostOutcome Post(std::span<const uint8_t> records) = 0;
};

}  // namespace xe
