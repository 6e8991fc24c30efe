#include "netlink_answer.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xe {

namespace {

/// The errno in front of the payload of NLMSG_ERROR and NLMSG_DONE, where it is 0 or negative.
Result ReadStatus(std::span<const uint8_t> payload) {
  int32_t status = 0;
  if (payload.size() < sizeof(status)) {
    return Failure{"message", EBADMSG};
  }
  std::memcpy(&status, payload.data(), sizeof(status));
  if (status == 0) {
    return std::nullopt;
  }
  // As far as errnos go in the kernel (include/linux/err.h).
  return status < 0 && status >= -4095 ? Failure{"answer", -status} : Failure{"message", EBADMSG};
}

}  // namespace

Result NetlinkAnswer::Take(std::span<const uint8_t> datagram) {
  while (!done_ && !datagram.empty()) {
    nlmsghdr header;
    if (datagram.size() < sizeof(header)) {
      return Failure{"message", EBADMSG};
    }
    std::memcpy(&header, datagram.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) {
      return Failure{"message", EBADMSG};
    }
    if (header.nlmsg_seq == sequence_) {
      if (const Result failure = TakeMessage(datagram.first(header.nlmsg_len))) {
        return failure;
      }
    }
    // The last one need not be padded.
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
  return std::nullopt;
}

Result NetlinkAnswer::TakeMessage(std::span<const uint8_t> message) {
  nlmsghdr header;
  std::memcpy(&header, message.data(), sizeof(header));
  if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
    return Failure{"dump", EINTR};
  }
  if (header.nlmsg_type == NLMSG_OVERRUN) {
    return Failure{"dump", ENOBUFS};
  }
  if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
    done_ = true;
    return ReadStatus(message.subspan(sizeof(header)));
  }
  if (header.nlmsg_type < NLMSG_MIN_TYPE) {
    return std::nullopt;
  }
  const size_t padded = NLMSG_ALIGN(message.size());
  if (padded > most_bytes_ - bytes_.size()) {
    return Failure{"message", EMSGSIZE};
  }
  bytes_.append(reinterpret_cast<const char*>(message.data()), message.size());
  bytes_.append(padded - message.size(), '\0');
  done_ = !is_dump_;
  return std::nullopt;
}

}  // namespace xe
