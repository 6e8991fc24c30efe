#include "notification_source.h"

#include <cerrno>
#include <utility>

namespace xe {

Result NotificationSource::Prepare() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      return Failure{"open", EBADF};
    }
  }
  return poller_.is_open() ? std::nullopt : poller_.Open();
}

Result NotificationSource::Open(uint32_t records, uint32_t* index) {
  std::shared_ptr<NotificationPipe> pipe;
  if (const Result failure = make_pipe_(records, &pipe)) {
    return failure;
  }
  {
    const std::lock_guard lock(mutex_);
    *index = static_cast<uint32_t>(pipes_.size());
    pipes_.push_back(pipe);
  }
  const Result failure = poller_.Add(pipe->read_fd(), *index);
  if (failure) {
    const std::lock_guard lock(mutex_);
    pipes_.pop_back();
  }
  return failure;
}

std::shared_ptr<NotificationPipe> NotificationSource::Find(uint32_t index) const {
  const std::lock_guard lock(mutex_);
  return index < pipes_.size() ? pipes_[index] : nullptr;
}

Result NotificationSource::Watch(uint32_t index, const WatchRequest& request) {
  const std::shared_ptr<NotificationPipe> pipe = Find(index);
  return pipe ? pipe->Watch(request) : Failure{"watch", EBADF};
}

void NotificationSource::Close() {
  std::vector<std::shared_ptr<NotificationPipe>> pipes;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    pipes.swap(pipes_);
  }
  poller_.Close();
}

uint32_t NotificationSource::pipe_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(pipes_.size());
}

}  // namespace xe
