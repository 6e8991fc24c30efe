#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "failure.h"

namespace xe {

/// One file to be copied into a new one.
struct FileCopy {
  std::string from;
  std::string to;
  uint64_t most_bytes;
  uint64_t bytes_per_second;
};

/// Copies a file that the kernel makes up while it is read, such as a device coredump, into a new
/// file of mode 0600, at a bounded rate, and has it on the disk when it returns. A read can hang in
/// the kernel; once it returns, `cancelled` ends the copy. `whole` says whether there was no more
/// than `most_bytes`. Leaves what it has written when it fails. Errors: `open`, `read`, `create`
/// (EEXIST), `write`, `sync`, `cancelled` ECANCELED.
Result CopyFile(const FileCopy& copy, const std::atomic<bool>& cancelled, bool* whole);

}  // namespace xe
