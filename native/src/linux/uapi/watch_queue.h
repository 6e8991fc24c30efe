#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

#include "notification_pipe.h"
#include "record.h"

/// Our own definitions of include/uapi/linux/watch_queue.h (Linux 5.8 and later, read in 7.2), so
/// that the addon builds on machines without that header.
namespace xe::uapi {

/// O_NOTIFICATION_PIPE shares its bit with O_EXCL, which has no meaning for a pipe.
inline constexpr int kNotificationPipe = O_EXCL;

/// The argument is the number of records, by value.
inline constexpr unsigned long kSetSize = _IO('W', 0x60);
/// The argument is a NotificationFilter, or null for none.
inline constexpr unsigned long kSetFilter = _IO('W', 0x61);

struct NotificationTypeFilter {
  uint32_t type;
  uint32_t info_filter;
  uint32_t info_mask;
  uint32_t subtype_filter[8];  // the kernel honours the first word only
};
static_assert(sizeof(NotificationTypeFilter) == 44);
static_assert(offsetof(NotificationTypeFilter, info_filter) == 4);
static_assert(offsetof(NotificationTypeFilter, info_mask) == 8);
static_assert(offsetof(NotificationTypeFilter, subtype_filter) == 12);

struct NotificationFilter {
  uint32_t nr_filters;
  uint32_t reserved;  // 0
  NotificationTypeFilter filters[kMaxFilters];
};
static_assert(sizeof(NotificationFilter) == 8 + 44 * kMaxFilters);
static_assert(offsetof(NotificationFilter, reserved) == 4);
static_assert(offsetof(NotificationFilter, filters) == 8);

/// META/REMOVAL of an object with a non-zero id; an xe file has none and sends the header alone.
struct RemovalRecord {
  record::Header header;
  uint64_t object_id;
};
static_assert(sizeof(RemovalRecord) == 16);
static_assert(offsetof(RemovalRecord, object_id) == 8);

static_assert(record::kHeaderBytes == 8);
static_assert(record::kMaxBytes == 0x7f);  // WATCH_INFO_LENGTH

}  // namespace xe::uapi
