#include "linux/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "unique_fd.h"

namespace xe {

namespace {

constexpr size_t kMostBytes = 64 * 1024;

}  // namespace

Result ReadFile(int directory, const char* path, std::string* content) {
  const UniqueFd file(openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) {
    return Failure{"open", errno};
  }
  content->clear();
  char buffer[4096];
  while (content->size() < kMostBytes) {
    const ssize_t length = read(file.get(), buffer, sizeof(buffer));
    if (length < 0 && errno == EINTR) {
      continue;
    }
    if (length < 0) {
      return Failure{"read", errno};
    }
    if (length == 0) {
      break;
    }
    content->append(buffer, static_cast<size_t>(length));
  }
  return std::nullopt;
}

}  // namespace xe
