#include "linux/peer_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "linux/read_file.h"

// Linux 6.5. The number is the same on every architecture xe runs on.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace xe {

namespace {

/// net.core.somaxconn lowers it.
constexpr int kBacklog = 1024;

Result ReadPeerPidfd(int fd, UniqueFd* pidfd) {
  int value = -1;
  socklen_t size = sizeof(value);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &value, &size) != 0) {
    return Failure{"peer_pidfd", errno};
  }
  pidfd->Reset(value);
  return std::nullopt;
}

/// Whether the kernel can say it at all.
Result ProbePeerPidfd() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return Failure{"socketpair", errno};
  }
  const UniqueFd ends[] = {UniqueFd(pair[0]), UniqueFd(pair[1])};
  UniqueFd ours;
  return ReadPeerPidfd(ends[0].get(), &ours);
}

/// The pid as this procfs shows it, whatever our own pid namespace is (pidfd_show_fdinfo() in
/// kernel/fork.c and fs/pidfs.c): 0 in none of its namespaces, -1 for a process that has ended.
Result ReadPid(const std::string& proc_root, int pidfd, int* pid) {
  const std::string path = proc_root + "/self/fdinfo/" + std::to_string(pidfd);
  std::string text;
  if (const Result failure = ReadFile(AT_FDCWD, path.c_str(), &text)) {
    return failure;
  }
  constexpr std::string_view kKey = "Pid:\t";
  const size_t at = text.find(kKey);
  const char* const end = text.data() + text.size();
  const bool is_read = at != std::string::npos &&
                       std::from_chars(text.data() + at + kKey.size(), end, *pid).ec == std::errc();
  return is_read ? Result() : Failure{"fdinfo", EIO};
}

/// A pidfd becomes readable when its process ends, and only then is the pid free for another.
bool HasEnded(int pidfd) {
  pollfd process = {pidfd, POLLIN, 0};
  return poll(&process, 1, 0) != 0;
}

Result Identify(const std::string& proc_root, PeerConnection* connection) {
  UniqueFd process;
  if (const Result failure = ReadPeerPidfd(connection->fd.get(), &process)) {
    return failure;
  }
  Result failure = ReadPid(proc_root, process.get(), &connection->pid);
  if (failure || connection->pid == 0) {
    return failure;
  }
  const std::string path = proc_root + "/" + std::to_string(connection->pid) + "/cgroup";
  failure = ReadFile(AT_FDCWD, path.c_str(), &connection->cgroup);
  if (HasEnded(process.get())) {
    failure = Failure{"peer", ESRCH};
  }
  if (failure) {
    connection->cgroup.clear();
  }
  return failure;
}

}  // namespace

Result ListenUnix(const std::string& path, UniqueFd* listener) {
  if (const Result failure = ProbePeerPidfd()) {
    return failure;
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Failure{"bind", ENAMETOOLONG};
  }
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    return Failure{"socket", errno};
  }
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Failure{"bind", errno};
  }
  // connect() needs write permission for the socket's file.
  if (chmod(path.c_str(), 0666) != 0) {
    return Failure{"chmod", errno};
  }
  if (listen(fd.get(), kBacklog) != 0) {
    return Failure{"listen", errno};
  }
  *listener = std::move(fd);
  return std::nullopt;
}

Result AcceptPeer(int listener, const std::string& proc_root, PeerConnection* connection) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    return Failure{"accept4", errno};
  }
  connection->fd = std::move(fd);
  connection->failure = Identify(proc_root, connection);
  return std::nullopt;
}

}  // namespace xe
