#include "linux/borrow_fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <string>
#include <utility>

#include "linux/process_stat.h"
#include "linux/uapi/pidfd.h"

namespace xe {

namespace {

/// Asked after pidfd_open: the pidfd pins the process it was opened on, so a start time read now
/// and equal to the expected one proves that this was the right process all along.
Result CheckIdentity(const BorrowTarget& target) {
  const std::string path = "/proc/" + std::to_string(target.pid) + "/stat";
  ProcessStat stat;
  const int error = ReadProcessStat(AT_FDCWD, path.c_str(), &stat);
  if (error == ENOENT || (error == 0 && stat.start_time != target.start_time)) {
    return Failure{"identity", ESRCH};
  }
  return error == 0 ? Result() : Failure{"identity", error};
}

Result CheckDevice(int fd, const BorrowTarget& target) {
  struct stat file;
  if (fstat(fd, &file) != 0) {
    return Failure{"fstat", errno};
  }
  if (!S_ISCHR(file.st_mode) || major(file.st_rdev) != target.major ||
      minor(file.st_rdev) != target.minor) {
    return Failure{"device", ENODEV};
  }
  return std::nullopt;
}

}  // namespace

Result BorrowFd(const BorrowTarget& target, UniqueFd* borrowed) {
  const UniqueFd process(uapi::PidfdOpen(target.pid));
  if (!process) {
    return Failure{"pidfd_open", errno};
  }
  if (const Result failure = CheckIdentity(target)) {
    return failure;
  }
  UniqueFd copy(uapi::PidfdGetfd(process.get(), target.fd));
  if (!copy) {
    return Failure{"pidfd_getfd", errno};
  }
  if (const Result failure = CheckDevice(copy.get(), target)) {
    return failure;
  }
  *borrowed = std::move(copy);
  return std::nullopt;
}

}  // namespace xe
