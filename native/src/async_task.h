#pragma once

#include <napi.h>

#include <functional>

namespace xe {

/// Turns a finished result into a value, on the JavaScript thread.
using TaskOutcome = std::function<Napi::Value(Napi::Env)>;

/// Runs `work` on libuv's thread pool and returns a promise of what its outcome makes. The promise
/// never rejects. Where the environment ends first, the work is still run to its end, or never
/// started, and nothing is settled.
Napi::Value RunOffThread(Napi::Env env, const char* name, std::function<TaskOutcome()> work);

}  // namespace xe
