#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "failure.h"

namespace xe {

/// What one read gave: bytes, or why not.
struct ReadOutcome {
  std::string bytes;
  Result failure;
};

/// One that goes on for a while looks at `cancelled` now and then, and ends with ECANCELED.
using BlockingRead = std::function<ReadOutcome(const std::atomic<bool>& cancelled)>;

/// Runs the reads one after the other on a thread of their own and calls `on_result` (index, bytes
/// or failure) once for each, in order, on the JavaScript thread. A read can hang in the kernel for
/// ever, where nothing ends it: nobody waits for the thread, neither at the end of the environment
/// nor of the process, and it keeps no event loop alive. Returns a JavaScript function that has the
/// reads not begun yet, and a copy that is under way, answered with `cancelled` ECANCELED, or the
/// failure `pthread_create`.
Napi::Value StartBlockingReads(Napi::Env env, std::vector<BlockingRead> reads,
                               Napi::Function on_result);

}  // namespace xe
