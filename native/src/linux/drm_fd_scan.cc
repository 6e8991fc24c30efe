#include "linux/drm_fd_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "unique_fd.h"

namespace xe {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

/// Opens `path` below `parent` (AT_FDCWD for none); null with errno set.
Directory OpenDirectory(int parent, const char* path) {
  UniqueFd fd(openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return nullptr;
  }
  Directory directory(fdopendir(fd.get()));
  if (directory) {
    fd.Release();
  }
  return directory;
}

/// The number a directory entry is named after, or -1 for any other name.
int NumericName(const char* name) {
  const char* const end = name + std::strlen(name);
  int number = -1;
  const auto parsed = std::from_chars(name, end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number >= 0 ? number : -1;
}

bool IsDenial(int error) {
  return error == EACCES || error == EPERM;
}

class Scan {
 public:
  Scan(uint32_t major, const std::vector<uint32_t>& minors) : major_(major), minors_(minors) {}

  void Process(int proc_root, const char* name, int pid);
  DrmFdScan TakeOutcome() { return std::move(outcome_); }

 private:
  bool Matches(const struct stat& file) const;

  const uint32_t major_;
  const std::vector<uint32_t>& minors_;
  DrmFdScan outcome_;
};

bool Scan::Matches(const struct stat& file) const {
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == major_ &&
         std::find(minors_.begin(), minors_.end(), minor(file.st_rdev)) != minors_.end();
}

void Scan::Process(int proc_root, const char* name, int pid) {
  const Directory fds = OpenDirectory(proc_root, (std::string(name) + "/fd").c_str());
  if (!fds) {
    const bool denied = IsDenial(errno);
    outcome_.denied += denied;
    outcome_.processes += denied;
    return;
  }
  outcome_.processes++;

  const size_t first_hit = outcome_.fds.size();
  bool denied = false;
  while (const dirent* entry = readdir(fds.get())) {
    const int fd = NumericName(entry->d_name);
    if (fd < 0) {
      continue;
    }
    struct stat file;
    if (fstatat(dirfd(fds.get()), entry->d_name, &file, 0) != 0) {
      denied |= IsDenial(errno);
    } else if (Matches(file)) {
      outcome_.fds.push_back({pid, fd, minor(file.st_rdev), {}});
    }
  }
  outcome_.denied += denied;
  if (outcome_.fds.size() == first_hit) {
    return;
  }

  // Through the open directory, not the path: it stays with the process that was looked at, even
  // when its pid has been given to another one since.
  ProcessStat stat;
  if (ReadProcessStat(dirfd(fds.get()), "../stat", &stat) != 0) {
    outcome_.fds.resize(first_hit);
    return;
  }
  for (size_t i = first_hit; i < outcome_.fds.size(); i++) {
    outcome_.fds[i].process = stat;
  }
}

}  // namespace

DrmFdScan ScanDrmFds(const std::string& proc_root, uint32_t major,
                     const std::vector<uint32_t>& minors) {
  const Directory root = OpenDirectory(AT_FDCWD, proc_root.c_str());
  if (!root) {
    DrmFdScan outcome;
    outcome.failure = Failure{"opendir", errno};
    return outcome;
  }
  Scan scan(major, minors);
  while (const dirent* entry = readdir(root.get())) {
    const int pid = NumericName(entry->d_name);
    if (pid > 0) {
      scan.Process(dirfd(root.get()), entry->d_name, pid);
    }
  }
  return scan.TakeOutcome();
}

}  // namespace xe
