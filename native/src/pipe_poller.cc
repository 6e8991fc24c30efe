#include "pipe_poller.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

namespace xe {

namespace {

constexpr uint64_t kWakeTag = UINT64_MAX;
constexpr int kEventsPerWait = 64;

}  // namespace

Result PipePoller::Open() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) {
    return Failure{"epoll_create1", errno};
  }
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) {
    return Failure{"eventfd", errno};
  }
  epoll_ = std::move(epoll);
  wake_ = std::move(wake);
  if (Control(EPOLL_CTL_ADD, wake_.get(), EPOLLIN, kWakeTag) != 0) {
    const int error = errno;
    Close();
    return Failure{"epoll_ctl", error};
  }
  return std::nullopt;
}

Result PipePoller::Add(int fd, uint32_t index) {
  return Control(EPOLL_CTL_ADD, fd, EPOLLIN, index) == 0 ? Result() : Failure{"epoll_ctl", errno};
}

Result PipePoller::AddOnce(int fd, uint32_t index) {
  return Control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT, index) == 0
             ? Result()
             : Failure{"epoll_ctl", errno};
}

void PipePoller::Rearm(int fd, uint32_t index) {
  Control(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, index);
}

int PipePoller::Control(int operation, int fd, uint32_t events, uint64_t tag) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll_.get(), operation, fd, &event);
}

void PipePoller::Wait(bool block, std::vector<uint32_t>* ready) {
  epoll_event events[kEventsPerWait];
  const int count = epoll_wait(epoll_.get(), events, kEventsPerWait, block ? -1 : 0);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 != kWakeTag) {
      ready->push_back(static_cast<uint32_t>(events[i].data.u64));
      continue;
    }
    eventfd_t ignored;
    eventfd_read(wake_.get(), &ignored);
  }
}

void PipePoller::Rest(std::chrono::milliseconds duration) {
  if (duration.count() == 0) {
    return;
  }
  pollfd wake = {.fd = wake_.get(), .events = POLLIN, .revents = 0};
  poll(&wake, 1, static_cast<int>(duration.count()));
}

void PipePoller::Interrupt() {
  eventfd_write(wake_.get(), 1);
}

void PipePoller::Close() {
  epoll_.Reset();
  wake_.Reset();
}

}  // namespace xe
