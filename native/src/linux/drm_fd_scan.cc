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
#include <unordered_map>

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
  Scan(int proc_root, uint32_t major, const std::vector<uint32_t>& minors)
      : proc_root_(proc_root), major_(major), minors_(minors) {}

  void Skip(const std::vector<GpuFreeProcess>& processes);
  void Process(const char* name, int pid);
  DrmFdScan TakeOutcome() { return std::move(outcome_); }

 private:
  bool IsUnchanged(const GpuFreeProcess& process) const;
  bool LookThrough(DIR* fds, int pid);
  bool Matches(const struct stat& file) const;

  const int proc_root_;
  const uint32_t major_;
  const std::vector<uint32_t>& minors_;
  std::unordered_map<int, GpuFreeProcess> skip_;
  DrmFdScan outcome_;
};

void Scan::Skip(const std::vector<GpuFreeProcess>& processes) {
  for (const GpuFreeProcess& process : processes) {
    skip_.emplace(process.pid, process);
  }
}

bool Scan::IsUnchanged(const GpuFreeProcess& process) const {
  const auto known = skip_.find(process.pid);
  return known != skip_.end() && known->second == process;
}

bool Scan::Matches(const struct stat& file) const {
  return S_ISCHR(file.st_mode) && major(file.st_rdev) == major_ &&
         std::find(minors_.begin(), minors_.end(), minor(file.st_rdev)) != minors_.end();
}

void Scan::Process(const char* name, int pid) {
  const Directory fds = OpenDirectory(proc_root_, (std::string(name) + "/fd").c_str());
  if (!fds) {
    const bool denied = IsDenial(errno);
    outcome_.denied += denied;
    outcome_.processes += denied;
    return;
  }
  outcome_.processes++;

  // All through the open directory, not the path: it stays with the process that was looked at,
  // even when its pid has been given to another one since. The number of open files is taken before
  // they are looked at, so a file opened meanwhile is found or makes a difference the next time.
  struct stat directory;
  ProcessStat stat;
  if (fstat(dirfd(fds.get()), &directory) != 0 ||
      ReadProcessStat(dirfd(fds.get()), "../stat", &stat) != 0) {
    return;
  }
  const GpuFreeProcess unless_found = {pid, static_cast<double>(stat.start_time),
                                       static_cast<double>(directory.st_size)};
  if (IsUnchanged(unless_found)) {
    outcome_.skipped++;
    outcome_.gpu_free.push_back(unless_found);
    return;
  }
  const size_t first_hit = outcome_.fds.size();
  const bool seen = LookThrough(fds.get(), pid);
  for (size_t i = first_hit; i < outcome_.fds.size(); i++) {
    outcome_.fds[i].process = stat;
  }
  outcome_.denied += !seen;
  if (seen && outcome_.fds.size() == first_hit) {
    outcome_.gpu_free.push_back(unless_found);
  }
}

/// Returns false when some of the files may not be seen.
bool Scan::LookThrough(DIR* fds, int pid) {
  bool seen = true;
  while (const dirent* entry = readdir(fds)) {
    const int fd = NumericName(entry->d_name);
    if (fd < 0) {
      continue;
    }
    struct stat file;
    if (fstatat(dirfd(fds), entry->d_name, &file, 0) != 0) {
      seen &= !IsDenial(errno);
    } else if (Matches(file)) {
      outcome_.fds.push_back({pid, fd, minor(file.st_rdev), {}});
    }
  }
  return seen;
}

DrmFdScan Refused() {
  DrmFdScan outcome;
  outcome.failure = Failure{"opendir", errno};
  return outcome;
}

}  // namespace

DrmFdScan ScanDrmFds(const std::string& proc_root, uint32_t major,
                     const std::vector<uint32_t>& minors, const std::vector<GpuFreeProcess>& skip) {
  const Directory root = OpenDirectory(AT_FDCWD, proc_root.c_str());
  if (!root) {
    return Refused();
  }
  Scan scan(dirfd(root.get()), major, minors);
  scan.Skip(skip);
  while (const dirent* entry = readdir(root.get())) {
    const int pid = NumericName(entry->d_name);
    if (pid > 0) {
      scan.Process(entry->d_name, pid);
    }
  }
  return scan.TakeOutcome();
}

DrmFdScan FindDrmFds(const std::string& proc_root, const std::vector<uint32_t>& pids,
                     uint32_t major, const std::vector<uint32_t>& minors) {
  const Directory root = OpenDirectory(AT_FDCWD, proc_root.c_str());
  if (!root) {
    return Refused();
  }
  Scan scan(dirfd(root.get()), major, minors);
  for (const uint32_t pid : pids) {
    scan.Process(std::to_string(pid).c_str(), static_cast<int>(pid));
  }
  return scan.TakeOutcome();
}

}  // namespace xe
