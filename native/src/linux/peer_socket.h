#pragma once

#include <string>

#include "failure.h"
#include "unique_fd.h"

namespace xe {

/// A connection of a unix socket, and who made it. The answers are those of connect(): whoever was
/// given the descriptor later is not asked about.
struct PeerConnection {
  UniqueFd fd;
  /// As the procfs shows it; 0 for a process outside its pid namespace.
  int pid = 0;
  /// The process's cgroup file, read while the process was alive and so under its own pid.
  std::string cgroup;
  /// Why there is no cgroup: see AcceptPeer.
  Result failure;
};

/// A listening unix stream socket at a path that does not exist, open to everybody.
/// Errors: `peer_pidfd` ENOPROTOOPT (before Linux 6.5, or a sandbox), `socketpair`, `socket`, `bind` (ENAMETOOLONG, EADDRINUSE, EACCES, ENOENT, EROFS), `chmod`, `listen`.
Result ListenUnix(const std::string& path, UniqueFd* listener);

/// Takes one waiting connection and finds out who it is. Reading the cgroup file waits for the
/// kernel's cgroup lock, so keep it off the JavaScript thread. Error: `accept4` (EAGAIN: none is
/// waiting; EMFILE, ENFILE). A peer that cannot be identified is no error but has a failure of its
/// own: `peer_pidfd` ESRCH or EINVAL (gone; net/core/sock.c, SO_PEERPIDFD); `open`, `read` or `fdinfo` in the procfs; `peer` ESRCH (ended meanwhile).
Result AcceptPeer(int listener, const std::string& proc_root, PeerConnection* connection);

}  // namespace xe
