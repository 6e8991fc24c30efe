#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace xe {

/// Which messages JavaScript wants: those that contain one of some byte strings, or all without
/// any.
class KeepFilter {
 public:
  explicit KeepFilter(std::vector<std::string> keep) : keep_(std::move(keep)) {}

  bool Wants(std::span<const uint8_t> message) const {
    return keep_.empty() ||
           std::any_of(keep_.begin(), keep_.end(), [message](const std::string& wanted) {
             return memmem(message.data(), message.size(), wanted.data(), wanted.size()) != nullptr;
           });
  }

 private:
  const std::vector<std::string> keep_;
};

}  // namespace xe
