#pragma once

#include <napi.h>

#include <span>
#include <string>

#include "arguments.h"
#include "batch_queue.h"

namespace xe {

/// The method drain(target) of both readers, see exporter/native/binding.ts.
inline Napi::Value DrainToJs(const Napi::CallbackInfo& info, BatchQueue* queue) {
  Arguments args(info.Env());
  const std::span<uint8_t> target = args.Bytes(info[0], "target");
  if (target.size() < kMinDrainBytes) {
    args.Throw("target must hold at least " + std::to_string(kMinDrainBytes) + " bytes");
  }
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(queue->Drain(target)));
}

}  // namespace xe
