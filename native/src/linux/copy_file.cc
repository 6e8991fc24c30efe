#include "linux/copy_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "unique_fd.h"

namespace xe {

namespace {

using Clock = std::chrono::steady_clock;

/// sysfs gives a page a read; fewer and larger writes.
constexpr size_t kChunkBytes = 256 * 1024;
/// How long a cancellation goes unnoticed while the copy keeps to its rate.
constexpr std::chrono::milliseconds kNap(50);

/// Reads until `buffer` is full or the file ends. Returns bytes read, or -1 with errno.
ssize_t ReadFully(int file, char* buffer, size_t size, const std::atomic<bool>& cancelled) {
  size_t filled = 0;
  while (filled < size && !cancelled.load()) {
    const ssize_t length = read(file, buffer + filled, size - filled);
    if (length < 0 && errno == EINTR) {
      continue;
    }
    if (length < 0) {
      return -1;
    }
    if (length == 0) {
      break;
    }
    filled += static_cast<size_t>(length);
  }
  return static_cast<ssize_t>(filled);
}

bool WriteFully(int file, const char* bytes, size_t size) {
  for (size_t written = 0; written < size;) {
    const ssize_t length = write(file, bytes + written, size - written);
    if (length < 0 && errno != EINTR) {
      return false;
    }
    written += static_cast<size_t>(std::max<ssize_t>(length, 0));
  }
  return true;
}

/// Waits until `bytes` may have been copied since `start`.
void KeepRate(Clock::time_point start, uint64_t bytes, uint64_t bytes_per_second,
              const std::atomic<bool>& cancelled) {
  const std::chrono::duration<double> due(static_cast<double>(bytes) /
                                          static_cast<double>(bytes_per_second));
  while (!cancelled.load() && Clock::now() - start < due) {
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace

Result CopyFile(const FileCopy& copy, const std::atomic<bool>& cancelled, bool* whole) {
  const UniqueFd from(open(copy.from.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!from) {
    return Failure{"open", errno};
  }
  // Made with the first bytes: the driver may take its time until it has captured anything.
  UniqueFd to;
  std::vector<char> buffer(kChunkBytes);
  const auto start = Clock::now();
  uint64_t copied = 0;
  *whole = false;
  for (bool more = true; more;) {
    const ssize_t length = ReadFully(from.get(), buffer.data(), buffer.size(), cancelled);
    if (cancelled.load()) {
      return Failure{"cancelled", ECANCELED};
    }
    if (length < 0) {
      return Failure{"read", errno};
    }
    if (!to) {
      to = UniqueFd(open(copy.to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    }
    if (!to) {
      return Failure{"create", errno};
    }
    const size_t kept =
        static_cast<size_t>(std::min<uint64_t>(static_cast<uint64_t>(length), copy.most_bytes - copied));
    if (!WriteFully(to.get(), buffer.data(), kept)) {
      return Failure{"write", errno};
    }
    copied += kept;
    *whole = kept == static_cast<size_t>(length);
    more = *whole && static_cast<size_t>(length) == buffer.size();
    KeepRate(start, more ? copied : 0, copy.bytes_per_second, cancelled);
  }
  // Whoever looks at a hang resets the node next.
  return fsync(to.get()) == 0 ? Result() : Failure{"sync", errno};
}

}  // namespace xe
