#pragma once

#include <string>
#include <vector>

#include "failure.h"
#include "unique_fd.h"

namespace xe {

/// See DirectoryChanges in exporter/native/binding.ts.
struct DirectoryChanges {
  std::vector<std::string> created;
  std::vector<std::string> deleted;
  bool opened = false;
  bool overflow = false;
  bool gone = false;
};

/// What comes and goes in one directory, and whether one of some files was opened: inotify. The kernel's queue (fs.inotify.max_queued_events)
/// is the only one, so nothing grows here while nobody reads.
class DirectoryWatch {
 public:
  /// Errors: `inotify_init1` (EMFILE: fs.inotify.max_user_instances), `inotify_add_watch` (ENOENT,
  /// ENOTDIR, EACCES; ENOSPC: fs.inotify.max_user_watches).
  Result Open(const std::string& path, const std::vector<std::string>& files);

  /// Readable while changes are queued.
  int fd() const { return inotify_.get(); }

  /// Takes what is queued, up to a bound that leaves the rest readable. Nothing while not open.
  DirectoryChanges Drain();

  void Close() { inotify_.Reset(); }

 private:
  UniqueFd inotify_;
  int directory_ = -1;
};

}  // namespace xe
