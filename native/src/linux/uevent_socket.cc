#include "linux/uevent_socket.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace xe {

namespace {

/// The kernel's own events; udev sends in group 2.
constexpr uint32_t kKernelGroup = 1;

void SetReceiveBuffer(int fd, uint32_t bytes) {
  const int size = static_cast<int>(std::min<uint32_t>(bytes, INT_MAX));
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  }
}

}  // namespace

Result UeventSocket::Open(uint32_t receive_bytes, std::unique_ptr<MessageDevice>* device) {
  UniqueFd fd(
      socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) {
    return Failure{"socket", errno};
  }
  SetReceiveBuffer(fd.get(), receive_bytes);
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Failure{"bind", errno};
  }
  device->reset(new UeventSocket(std::move(fd)));
  return std::nullopt;
}

MessageRead UeventSocket::Read(std::span<uint8_t> buffer) {
  sockaddr_nl sender = {};
  iovec part = {buffer.data(), buffer.size()};
  msghdr header = {};
  header.msg_name = &sender;
  header.msg_namelen = sizeof(sender);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  const ssize_t length = recvmsg(socket_.get(), &header, 0);
  if (length < 0) {
    return {-errno};
  }
  return {length, sender.nl_pid, (header.msg_flags & MSG_TRUNC) != 0};
}

uint64_t UeventSocket::Drops() const {
  uint32_t counters[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof(counters);
  getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, counters, &size);
  return counters[SK_MEMINFO_DROPS];
}

}  // namespace xe
