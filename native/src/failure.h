#pragma once

#include <optional>

namespace xe {

/// A refused system call. `operation` is a string literal and part of the JavaScript contract
/// (NativeFailure in exporter/native/binding.ts); `error` is a positive errno.
struct Failure {
  const char* operation;
  int error;
};

/// Empty means success.
using Result = std::optional<Failure>;

}  // namespace xe
