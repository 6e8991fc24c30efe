#pragma once

#include <napi.h>

#include "failure.h"

namespace xe {

/// A Result as JavaScript sees it: undefined, or NativeFailure (exporter/native/binding.ts).
inline Napi::Value ToJs(Napi::Env env, const Result& result) {
  if (!result) {
    return env.Undefined();
  }
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("operation", result->operation);
  failure.Set("errno", result->error);
  return failure;
}

}  // namespace xe
