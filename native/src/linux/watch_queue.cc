#include "linux/watch_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "linux/borrow_fd.h"
#include "linux/ioctl_call.h"
#include "linux/uapi/watch_queue.h"
#include "linux/xe_watch.h"

namespace xe {

namespace {

/// On kernels where the watch ioctl's number belongs to VM_GET_PROPERTY, a zero descriptor number
/// would be taken for a valid argument instead of being refused; 3 and up never is.
Result MoveAboveStdio(UniqueFd* fd) {
  if (fd->get() > STDERR_FILENO) {
    return std::nullopt;
  }
  UniqueFd moved(fcntl(fd->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved) {
    return Failure{"pipe2", errno};
  }
  *fd = std::move(moved);
  return std::nullopt;
}

}  // namespace

Result WatchQueue::Create(uint32_t records, std::shared_ptr<WatchQueue>* queue) {
  int ends[2];
  if (pipe2(ends, uapi::kNotificationPipe | O_NONBLOCK | O_CLOEXEC) != 0) {
    return Failure{"pipe2", errno};
  }
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  if (const Result failure = MoveAboveStdio(&read_end)) {
    return failure;
  }
  if (const Result failure = MoveAboveStdio(&write_end)) {
    return failure;
  }
  if (Ioctl(read_end.get(), uapi::kSetSize, static_cast<unsigned long>(records)) != 0) {
    return Failure{"set_size", errno};
  }
  queue->reset(new WatchQueue(std::move(read_end), std::move(write_end)));
  return std::nullopt;
}

WatchQueue::WatchQueue(UniqueFd read_end, UniqueFd write_end)
    : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {}

ssize_t WatchQueue::Read(std::span<uint8_t> buffer) {
  const ssize_t length = read(read_end_.get(), buffer.data(), buffer.size());
  return length >= 0 ? length : -errno;
}

Result WatchQueue::SetFilter(std::span<const TypeFilter> filters) {
  if (filters.size() > kMaxFilters) {
    return Failure{"set_filter", EINVAL};
  }
  uapi::NotificationFilter filter = {};
  filter.nr_filters = static_cast<uint32_t>(filters.size());
  for (size_t i = 0; i < filters.size(); i++) {
    filter.filters[i].type = filters[i].type;
    filter.filters[i].subtype_filter[0] = filters[i].subtype_mask;
  }
  if (Ioctl(read_end_.get(), uapi::kSetFilter, filters.empty() ? nullptr : &filter) != 0) {
    return Failure{"set_filter", errno};
  }
  return std::nullopt;
}

Result WatchQueue::Watch(const WatchRequest& request) {
  UniqueFd borrowed;
  if (const Result failure = BorrowFd(request.target, &borrowed)) {
    return failure;
  }
  // The copy keeps the client's VRAM alive, the watch does not: `borrowed` closes on return.
  return AttachXeWatch(borrowed.get(), request.request, read_end_.get(), request.watch_id);
}

PostOutcome WatchQueue::Post(std::span<const uint8_t>) {
  return {Failure{"post", ENODEV}};
}

}  // namespace xe
