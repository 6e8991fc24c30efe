#include "linux/process_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string_view>

#include "unique_fd.h"

namespace xe {

namespace {

/// comm has up to 64 bytes, spaces and parentheses among them, so fields are counted from the last
/// parenthesis: field 3 is the first behind it.
bool Parse(std::string_view line, ProcessStat* stat) {
  const size_t open = line.find('(');
  const size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return false;
  }
  std::string_view rest = line.substr(close + 1);
  for (int field = 3; field <= 22; field++) {
    const size_t space = rest.find(' ');
    if (space == std::string_view::npos) {
      return false;
    }
    rest.remove_prefix(space + 1);
  }
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), stat->start_time);
  stat->comm = line.substr(open + 1, close - open - 1);
  return parsed.ec == std::errc();
}

}  // namespace

int ReadProcessStat(int directory, const char* path, ProcessStat* stat) {
  const UniqueFd file(openat(directory, path, O_RDONLY | O_CLOEXEC));
  if (!file) {
    return errno;
  }
  char line[1024];  // field 22 ends well before, whatever comm holds
  const ssize_t length = read(file.get(), line, sizeof(line));
  if (length < 0) {
    return errno;
  }
  return Parse({line, static_cast<size_t>(length)}, stat) ? 0 : EIO;
}

}  // namespace xe
