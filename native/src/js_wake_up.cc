#include "js_wake_up.h"

#include <utility>

#include "js_callback.h"

namespace xe {

bool JsWakeUp::Open(Napi::Env env, const Napi::Function& on_ready, const char* name) {
  if (napi_create_threadsafe_function(env, on_ready, nullptr, Napi::String::New(env, name),
                                      /*max_queue_size=*/0, /*initial_thread_count=*/1, nullptr,
                                      nullptr, this, OnCall, &function_) != napi_ok) {
    return false;
  }
  env_ = env;
  // Hooks run last in, first out: ours joins the thread before the thread-safe function, which put
  // up its own hook above, is torn down.
  napi_add_env_cleanup_hook(env_, OnEnvironmentExit, this);
  return true;
}

void JsWakeUp::Call() const {
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void JsWakeUp::Close() {
  if (is_open()) {
    napi_remove_env_cleanup_hook(env_, OnEnvironmentExit, this);
    End();
  }
}

void JsWakeUp::End() {
  owner_->Shutdown();
  napi_release_threadsafe_function(std::exchange(function_, nullptr), napi_tsfn_abort);
}

void JsWakeUp::OnCall(napi_env env, napi_value on_ready, void* self, void*) {
  // Without an environment the function is being torn down and `self` may be gone.
  if (env != nullptr && static_cast<JsWakeUp*>(self)->owner_->BeginWakeUp()) {
    CallJs(env, on_ready);
  }
}

void JsWakeUp::OnEnvironmentExit(void* self) { static_cast<JsWakeUp*>(self)->End(); }

}  // namespace xe
