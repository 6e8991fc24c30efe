#include "linux/probe.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>

#include "linux/ioctl_call.h"
#include "linux/uapi/drm_version.h"
#include "linux/uapi/watch_queue.h"
#include "linux/watch_queue.h"
#include "linux/xe_watch.h"
#include "record.h"

namespace xe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRemovalDeadline = std::chrono::seconds(1);

/// Asks the driver for its name; returns a positive errno or 0.
int DriverName(int drm_fd, std::string* name) {
  char buffer[32] = {};
  uapi::DrmVersion version = {};
  version.name = buffer;
  version.name_len = sizeof(buffer);
  if (Ioctl(drm_fd, uapi::kDrmIoctlVersion, &version) != 0) {
    return errno;
  }
  name->assign(buffer, std::min(version.name_len, sizeof(buffer)));
  return 0;
}

/// True when `records` holds META/REMOVAL for `tag`. The kernel sends 8 bytes for an object without
/// an id, as an xe file is, and 16 otherwise.
bool HasRemoval(std::span<const uint8_t> records, uint32_t tag) {
  while (const size_t length = record::WholeLength(records)) {
    const record::Header header = record::ReadHeader(records.data());
    if (header.type() == record::kTypeMeta && header.subtype() == record::kSubtypeRemoval &&
        header.watch_id() == tag &&
        (length == sizeof(record::Header) || length == sizeof(uapi::RemovalRecord))) {
      return true;
    }
    records = records.subspan(length);
  }
  return false;
}

bool WaitForRemoval(WatchQueue* queue, uint32_t tag) {
  const auto deadline = Clock::now() + kRemovalDeadline;
  uint8_t buffer[kRecordsPerPage * record::kMaxBytes];
  while (true) {
    const ssize_t length = queue->Read(buffer);
    if (length > 0 && HasRemoval({buffer, static_cast<size_t>(length)}, tag)) {
      return true;
    }
    if (length > 0 || length == -EINTR) {
      continue;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (length != -EAGAIN || left.count() <= 0) {
      return false;
    }
    pollfd readable = {queue->read_fd(), POLLIN, 0};
    poll(&readable, 1, static_cast<int>(left.count()));
  }
}

}  // namespace

ProbeOutcome ProbeWatchIoctl(const std::string& render_node, uint32_t request, uint32_t tag) {
  ProbeOutcome outcome;
  std::shared_ptr<WatchQueue> queue;
  if (outcome.failure = WatchQueue::Create(kRecordsPerPage, &queue); outcome.failure) {
    return outcome;
  }
  UniqueFd node(open(render_node.c_str(), O_RDWR | O_CLOEXEC));
  if (!node) {
    outcome.failure = Failure{"open", errno};
    return outcome;
  }
  std::string driver;
  if (const int error = DriverName(node.get(), &driver); error != 0) {
    outcome.failure = Failure{"version", error};
    return outcome;
  }
  if (driver != "xe") {
    outcome.failure = Failure{"driver", ENODEV};
    return outcome;
  }

  const auto attach = [&] {
    const Result failure = AttachXeWatch(node.get(), request, queue->read_fd(), tag);
    return failure ? failure->error : 0;
  };
  outcome.attach_errno = attach();
  if (outcome.attach_errno == 0) {
    outcome.repeat_errno = attach();
    node.Reset();
    outcome.removal_seen = WaitForRemoval(queue.get(), tag);
  }
  return outcome;
}

Result ProbePipe() {
  std::shared_ptr<WatchQueue> queue;
  return WatchQueue::Create(kRecordsPerPage, &queue);
}

}  // namespace xe
