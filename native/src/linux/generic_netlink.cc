#include "linux/generic_netlink.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "netlink_answer.h"
#include "unique_fd.h"

namespace xe {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostAnswerBytes = 256 * 1024;
/// Parts of a dump have at most 32 KiB (netlink_dump in net/netlink/af_netlink.c, Linux 7.2).
constexpr size_t kDatagramBytes = 64 * 1024;

Result Send(int fd, const std::string& request) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = sendto(fd, request.data(), request.size(), 0,
                              reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  return sent < 0 ? Failure{"send", errno} : Result();
}

Result WaitUntil(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd readable = {fd, POLLIN, 0};
    // What has come while it was sent counts, however long that took.
    const int ready = poll(&readable, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready > 0) {
      return std::nullopt;
    }
    if (ready == 0) {
      return Failure{"receive", ETIMEDOUT};
    }
    if (errno != EINTR) {
      return Failure{"receive", errno};
    }
  }
}

/// One datagram, if it is the kernel's; any process may send to a netlink socket.
Result Receive(int fd, std::vector<uint8_t>* buffer, NetlinkAnswer* answer) {
  sockaddr_nl sender = {};
  iovec part = {buffer->data(), buffer->size()};
  msghdr header = {};
  header.msg_name = &sender;
  header.msg_namelen = sizeof(sender);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  const ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT);
  if (length < 0) {
    return errno == EINTR || errno == EAGAIN ? Result() : Failure{"receive", errno};
  }
  if (sender.nl_pid != 0) {
    return std::nullopt;
  }
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    return Failure{"message", EMSGSIZE};
  }
  return answer->Take({buffer->data(), static_cast<size_t>(length)});
}

}  // namespace

Result AskGenericNetlink(const std::string& request, uint32_t timeout_ms, std::string* answer) {
  nlmsghdr header = {};
  std::memcpy(&header, request.data(), std::min(request.size(), sizeof(header)));
  const UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
  if (!fd) {
    return Failure{"socket", errno};
  }
  sockaddr_nl own = {};
  own.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) != 0) {
    return Failure{"bind", errno};
  }
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  Result failure = Send(fd.get(), request);
  const bool is_dump = (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  NetlinkAnswer taken(header.nlmsg_seq, is_dump, kMostAnswerBytes);
  std::vector<uint8_t> buffer(kDatagramBytes);
  while (!failure && !taken.done()) {
    failure = WaitUntil(fd.get(), deadline);
    if (!failure) {
      failure = Receive(fd.get(), &buffer, &taken);
    }
  }
  if (!failure) {
    *answer = taken.bytes();
  }
  return failure;
}

}  // namespace xe
