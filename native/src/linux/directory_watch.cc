#include "linux/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace xe {

namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
/// A whole queue of the default size, with names of 16 bytes.
constexpr int kReadsPerDrain = 16;
constexpr size_t kBytesPerRead = 32 * 1024;

void Add(const inotify_event& event, int directory, const char* name, DirectoryChanges* changes) {
  changes->overflow |= (event.mask & IN_Q_OVERFLOW) != 0;
  changes->opened |= (event.mask & IN_OPEN) != 0;
  if (event.wd != directory) {
    return;
  }
  // The watch itself has ended, or follows a directory that is not at the path any more.
  changes->gone |= (event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
  if (event.len == 0) {
    return;
  }
  // The name is padded with zeros.
  if (event.mask & IN_CREATE) {
    changes->created.emplace_back(name);
  } else if (event.mask & IN_DELETE) {
    changes->deleted.emplace_back(name);
  }
}

}  // namespace

Result DirectoryWatch::Open(const std::string& path, const std::vector<std::string>& files) {
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) {
    return Failure{"inotify_init1", errno};
  }
  directory_ = inotify_add_watch(inotify.get(), path.c_str(), kEvents);
  if (directory_ < 0) {
    return Failure{"inotify_add_watch", errno};
  }
  // On the files themselves: a node that is mounted into a container belongs to another directory.
  for (const std::string& file : files) {
    if (inotify_add_watch(inotify.get(), file.c_str(), IN_OPEN) < 0 && errno != ENOENT &&
        errno != EACCES) {
      return Failure{"inotify_add_watch", errno};
    }
  }
  inotify_ = std::move(inotify);
  return std::nullopt;
}

DirectoryChanges DirectoryWatch::Drain() {
  DirectoryChanges changes;
  alignas(inotify_event) char buffer[kBytesPerRead];
  for (int i = 0; i < kReadsPerDrain; i++) {
    const ssize_t length = read(inotify_.get(), buffer, sizeof(buffer));
    if (length <= 0) {
      break;
    }
    for (ssize_t at = 0; at < length;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      Add(*event, directory_, buffer + at + offsetof(inotify_event, name), &changes);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  return changes;
}

}  // namespace xe
