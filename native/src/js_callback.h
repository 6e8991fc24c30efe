#pragma once

#include <napi.h>

#include <initializer_list>

namespace xe {

/// Calls a JavaScript function, on the JavaScript thread and outside of any call
/// from JavaScript. What it throws ends as `uncaughtException`.
void CallJs(napi_env env, napi_value function, std::initializer_list<napi_value> arguments = {});

}  // namespace xe
