#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace xe {

/// Reads the arguments of one call and throws a TypeError naming the first that is wrong. What the
/// getters return after that is empty: check failed() before using any of it.
class Arguments {
 public:
  explicit Arguments(Napi::Env env) : env_(env) {}

  /// True once an exception is pending.
  bool failed() const { return env_.IsExceptionPending(); }

  /// An integer of 0..4294967295.
  uint32_t Uint32(Napi::Value value, const char* name) {
    return Uint32(value, name, 0, UINT32_MAX);
  }
  /// An integer of min..max.
  uint32_t Uint32(Napi::Value value, const char* name, uint32_t min, uint32_t max);
  /// A bigint of 0..2^64-1.
  uint64_t Uint64(Napi::Value value, const char* name);
  bool Bool(Napi::Value value, const char* name);
  std::string String(Napi::Value value, const char* name);
  Napi::Object Object(Napi::Value value, const char* name);
  Napi::Function Function(Napi::Value value, const char* name);
  /// A Uint8Array or Buffer; the view is good until control returns to JavaScript.
  std::span<uint8_t> Bytes(Napi::Value value, const char* name);
  /// A copy of a Uint32Array.
  std::vector<uint32_t> Uint32s(Napi::Value value, const char* name);
  /// An array of strings, none of them empty.
  std::vector<std::string> Strings(Napi::Value value, const char* name);
  /// A copy of a Float64Array.
  std::vector<double> Doubles(Napi::Value value, const char* name);

  void Throw(const std::string& message);

 private:
  bool Expect(bool condition, const char* name, const std::string& expected);

  Napi::Env env_;
};

}  // namespace xe
