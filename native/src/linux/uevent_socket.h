#pragma once

#include <cstdint>
#include <memory>

#include "failure.h"
#include "message_device.h"
#include "unique_fd.h"

namespace xe {

/// The uevents of the kernel: multicast group 1 of NETLINK_KOBJECT_UEVENT. Needs no privilege, and
/// no network namespace but one owned by the initial user namespace (lib/kobject_uevent.c,
/// Linux 7.2).
class UeventSocket : public MessageDevice {
 public:
  /// Receives from now on. `receive_bytes` is what the socket may hold; without CAP_NET_ADMIN it is
  /// at most net.core.rmem_max. Errors: `socket`, `bind`.
  static Result Open(uint32_t receive_bytes, std::unique_ptr<MessageDevice>* device);

  int fd() const override { return socket_.get(); }
  MessageRead Read(std::span<uint8_t> buffer) override;
  uint64_t Drops() const override;

 private:
  explicit UeventSocket(UniqueFd socket) : socket_(std::move(socket)) {}

  const UniqueFd socket_;
};

}  // namespace xe
