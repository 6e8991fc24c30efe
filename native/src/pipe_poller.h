#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "failure.h"
#include "unique_fd.h"

namespace xe {

/// Waits for any of many descriptors, and can be interrupted: epoll and an eventfd.
class PipePoller {
 public:
  /// Errors: `epoll_create1`, `eventfd`, `epoll_ctl` with EMFILE, ENFILE or ENOMEM.
  Result Open();
  bool is_open() const { return static_cast<bool>(epoll_); }

  /// Reports `index` from now on while `fd` is readable. Any thread, also during Wait.
  /// Errors: `epoll_ctl`, e.g. ENOSPC from fs.epoll.max_user_watches.
  Result Add(int fd, uint32_t index);

  /// Like Add, but reports once and then only after Rearm. Rearm may be called on any thread.
  Result AddOnce(int fd, uint32_t index);
  void Rearm(int fd, uint32_t index);

  /// Appends the indexes of readable descriptors to `ready`. With `block` it sleeps until there is
  /// one or Interrupt is called; EINTR ends it early with none. One thread only.
  void Wait(bool block, std::vector<uint32_t>* ready);

  /// Sleeps, looking at no descriptor. Interrupt ends it early, and then the next Wait as well.
  void Rest(std::chrono::milliseconds duration);

  /// Ends the present or the next Wait. Any thread.
  void Interrupt();

  void Close();

 private:
  int Control(int operation, int fd, uint32_t events, uint64_t tag);

  UniqueFd epoll_;
  UniqueFd wake_;
};

}  // namespace xe
