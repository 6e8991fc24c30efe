#include "arguments.h"

#include <cmath>

namespace xe {

uint32_t Arguments::Uint32(Napi::Value value, const char* name, uint32_t min, uint32_t max) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  const bool fits = number >= min && number <= max && number == std::trunc(number);
  const std::string range = std::to_string(min) + ".." + std::to_string(max);
  return Expect(fits, name, "an integer of " + range) ? static_cast<uint32_t>(number) : 0;
}

uint64_t Arguments::Uint64(Napi::Value value, const char* name) {
  bool fits = false;
  const uint64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&fits) : 0;
  return Expect(fits, name, "a bigint of 64 bits") ? number : 0;
}

bool Arguments::Bool(Napi::Value value, const char* name) {
  return Expect(value.IsBoolean(), name, "a boolean") && value.As<Napi::Boolean>().Value();
}

std::string Arguments::String(Napi::Value value, const char* name) {
  return Expect(value.IsString(), name, "a string") ? value.As<Napi::String>().Utf8Value() : "";
}

Napi::Object Arguments::Object(Napi::Value value, const char* name) {
  return Expect(value.IsObject(), name, "an object") ? value.As<Napi::Object>()
                                                     : Napi::Object::New(env_);
}

Napi::Function Arguments::Function(Napi::Value value, const char* name) {
  return Expect(value.IsFunction(), name, "a function") ? value.As<Napi::Function>()
                                                        : Napi::Function();
}

std::span<uint8_t> Arguments::Bytes(Napi::Value value, const char* name) {
  const bool fits =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
  if (!Expect(fits, name, "a Uint8Array")) {
    return {};
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::vector<uint32_t> Arguments::Uint32s(Napi::Value value, const char* name) {
  const bool fits =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint32_array;
  if (!Expect(fits, name, "a Uint32Array")) {
    return {};
  }
  auto array = value.As<Napi::Uint32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<std::string> Arguments::Strings(Napi::Value value, const char* name) {
  if (!Expect(value.IsArray(), name, "an array")) {
    return {};
  }
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length() && !failed(); i++) {
    strings.push_back(String(array.Get(i), name));
    Expect(!strings.back().empty(), name, "without empty strings");
  }
  return strings;
}

std::vector<double> Arguments::Doubles(Napi::Value value, const char* name) {
  const bool fits =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
  if (!Expect(fits, name, "a Float64Array")) {
    return {};
  }
  auto array = value.As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

void Arguments::Throw(const std::string& message) {
  if (!failed()) {
    Napi::TypeError::New(env_, message).ThrowAsJavaScriptException();
  }
}

bool Arguments::Expect(bool condition, const char* name, const std::string& expected) {
  if (!condition) {
    Throw(std::string(name) + " must be " + expected);
  }
  return condition;
}

}  // namespace xe
