#include "directory_watch_object.h"

#include <cerrno>
#include <utility>
#include <vector>

#include "arguments.h"
#include "failure_object.h"
#include "js_callback.h"

namespace xe {

namespace {

/// The poller has one descriptor beside its own.
constexpr uint32_t kWatchIndex = 0;

Napi::Array ToJs(Napi::Env env, const std::vector<std::string>& names) {
  Napi::Array array = Napi::Array::New(env, names.size());
  for (uint32_t i = 0; i < names.size(); i++) {
    array.Set(i, names[i]);
  }
  return array;
}

}  // namespace

Napi::Function DirectoryWatchObject::Define(Napi::Env env) {
  return DefineClass(env, "DirectoryWatch",
                     {
                         InstanceMethod<&DirectoryWatchObject::Open>("open"),
                         InstanceMethod<&DirectoryWatchObject::Drain>("drain"),
                         InstanceMethod<&DirectoryWatchObject::Close>("close"),
                     });
}

DirectoryWatchObject::DirectoryWatchObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Arguments args(info.Env());
  const Napi::Object options = args.Object(info[0], "options");
  path_ = args.String(options.Get("path"), "options.path");
  const Napi::Function on_ready = args.Function(options.Get("onReady"), "options.onReady");
  if (!args.failed()) {
    on_ready_ = Napi::Persistent(on_ready);
  }
}

Napi::Value DirectoryWatchObject::Open(const Napi::CallbackInfo& info) {
  if (closed_) {
    return ToJs(info.Env(), Failure{"open", EBADF});
  }
  if (wake_up_ != nullptr) {
    return info.Env().Undefined();
  }
  return ToJs(info.Env(), Begin(info.Env()));
}

Result DirectoryWatchObject::Begin(Napi::Env env) {
  Result failure = watch_.Open(path_);
  failure = failure ? failure : poller_.Open();
  failure = failure ? failure : poller_.AddOnce(watch_.fd(), kWatchIndex);
  if (!failure && napi_create_threadsafe_function(
                      env, on_ready_.Value(), nullptr, Napi::String::New(env, "xe-directory"),
                      /*max_queue_size=*/0, /*initial_thread_count=*/1, nullptr, nullptr, this,
                      OnWakeUp, &wake_up_) != napi_ok) {
    failure = Failure{"open", ENOMEM};
  }
  failure = failure ? failure : thread_.Start("xe-directory", [this] { WaitForChanges(); });
  if (failure) {
    Shutdown();
    return failure;
  }
  // Hooks run last in, first out: ours joins the thread before the thread-safe function, which put
  // up its own hook above, is torn down.
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, this);
  Ref();
  return std::nullopt;
}

/// The thread. It moves nothing: each arming wakes it, and so JavaScript, at most once, and what
/// there is stays in the kernel's bounded queue until Drain takes it.
void DirectoryWatchObject::WaitForChanges() {
  std::vector<uint32_t> ready;
  while (!stop_.load()) {
    ready.clear();
    poller_.Wait(/*block=*/true, &ready);
    if (!ready.empty() && !stop_.load()) {
      napi_call_threadsafe_function(wake_up_, nullptr, napi_tsfn_nonblocking);
    }
  }
}

Napi::Value DirectoryWatchObject::Drain(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const DirectoryChanges changes = watch_.Drain();
  if (wake_up_ != nullptr) {
    poller_.Rearm(watch_.fd(), kWatchIndex);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("created", ToJs(env, changes.created));
  object.Set("deleted", ToJs(env, changes.deleted));
  object.Set("overflow", changes.overflow);
  object.Set("gone", changes.gone);
  return object;
}

void DirectoryWatchObject::Close(const Napi::CallbackInfo& info) {
  closed_ = true;
  // It usually refers to us: held on to, neither could be collected.
  on_ready_.Reset();
  if (wake_up_ == nullptr) {
    return;
  }
  napi_remove_env_cleanup_hook(info.Env(), OnEnvironmentExit, this);
  Shutdown();
  Unref();
}

/// Joins the thread and lets go of everything. Safe to repeat, also after half a Begin. An onReady
/// still on its way is not delivered any more.
void DirectoryWatchObject::Shutdown() {
  stop_.store(true);
  if (thread_.running()) {
    poller_.Interrupt();
    thread_.Join();
  }
  stop_.store(false);
  watch_.Close();
  poller_.Close();
  if (wake_up_ != nullptr) {
    napi_release_threadsafe_function(std::exchange(wake_up_, nullptr), napi_tsfn_abort);
  }
}

void DirectoryWatchObject::OnEnvironmentExit(void* self) {
  static_cast<DirectoryWatchObject*>(self)->Shutdown();
}

void DirectoryWatchObject::OnWakeUp(napi_env env, napi_value on_ready, void*, void*) {
  // Without an environment the function is being torn down.
  if (env != nullptr) {
    CallJs(env, on_ready);
  }
}

}  // namespace xe
