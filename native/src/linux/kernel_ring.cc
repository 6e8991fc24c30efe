#include "linux/kernel_ring.h"

#include <sys/klog.h>

#include <cerrno>

namespace xe {

namespace {

/// include/linux/syslog.h; the C library has no names for them.
constexpr int kReadAll = 3;
constexpr int kSizeBuffer = 10;

KernelRing Refused() {
  KernelRing ring;
  ring.failure = Failure{"syslog", errno};
  return ring;
}

}  // namespace

KernelRing ReadKernelRing(uint32_t max_bytes) {
  const int size = klogctl(kSizeBuffer, nullptr, 0);
  if (size < 0) {
    return Refused();
  }
  KernelRing ring;
  ring.size = static_cast<uint32_t>(size);
  ring.text.resize(max_bytes);
  const int length = klogctl(kReadAll, ring.text.data(), static_cast<int>(ring.text.size()));
  if (length < 0) {
    return Refused();
  }
  ring.text.resize(static_cast<size_t>(length));
  return ring;
}

}  // namespace xe
