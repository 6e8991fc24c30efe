#pragma once

#include <cstdint>
#include <string>

#include "failure.h"

namespace xe {

/// Sends one request, whole with its struct nlmsghdr, to the kernel's generic netlink on a socket
/// of its own, and waits for the whole answer: the messages as NetlinkAnswer gives them. The kernel
/// carries the request out while it is sent, in the driver that it is for, where it can hang.
/// Errors: `socket`, `bind`, `send`, `receive` (ETIMEDOUT, ENOBUFS), and those of NetlinkAnswer.
Result AskGenericNetlink(const std::string& request, uint32_t timeout_ms, std::string* answer);

}  // namespace xe
