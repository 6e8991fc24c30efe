#pragma once

#include <napi.h>

namespace xe {

/// The function startReads; exporter/native/binding.ts is its contract.
Napi::Value OnStartReads(const Napi::CallbackInfo& info);

}  // namespace xe
