#include "fake/fake_message_device.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace xe {

namespace {

constexpr size_t kMaxQueued = 4096;

}  // namespace

Result FakeMessageDevice::Open(std::unique_ptr<FakeMessageDevice>* device) {
  UniqueFd ready(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready) {
    return Failure{"eventfd", errno};
  }
  device->reset(new FakeMessageDevice(std::move(ready)));
  return std::nullopt;
}

MessageRead FakeMessageDevice::Read(std::span<uint8_t> buffer) {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    eventfd_t ignored;
    eventfd_read(ready_.get(), &ignored);
    return {-EAGAIN};
  }
  const Posted posted = std::move(queue_.front());
  queue_.pop_front();
  drops_ += posted.drops;
  if (posted.error != 0) {
    return {-posted.error};
  }
  const size_t length = std::min(buffer.size(), posted.message.size());
  std::copy_n(posted.message.begin(), length, buffer.begin());
  return {static_cast<ssize_t>(length), posted.sender, length < posted.message.size()};
}

uint64_t FakeMessageDevice::Drops() const {
  const std::lock_guard lock(mutex_);
  return drops_;
}

bool FakeMessageDevice::Post(std::span<const uint8_t> message, uint32_t sender) {
  return Push({{message.begin(), message.end()}, sender, 0, 0});
}

bool FakeMessageDevice::PostError(int error, uint64_t drops) {
  return Push({{}, 0, error, drops});
}

bool FakeMessageDevice::Push(Posted posted) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() == kMaxQueued) {
    return false;
  }
  queue_.push_back(std::move(posted));
  eventfd_write(ready_.get(), 1);
  return true;
}

}  // namespace xe
