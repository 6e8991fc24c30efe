#pragma once

#include <napi.h>

namespace xe {

/// Calls a JavaScript function without arguments, on the JavaScript thread and outside of any call
/// from JavaScript. What it throws ends as `uncaughtException`.
void CallJs(napi_env env, napi_value function);

}  // namespace xe
