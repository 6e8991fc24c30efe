#include "directory_watch_object.h"

#include <cerrno>
#include <vector>

#include "arguments.h"
#include "failure_object.h"

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
  const Napi::Value files = options.Get("files");
  if (!files.IsUndefined()) {
    files_ = args.Strings(files, "options.files");
  }
  const Napi::Function on_ready = args.Function(options.Get("onReady"), "options.onReady");
  if (!args.failed()) {
    on_ready_ = Napi::Persistent(on_ready);
  }
}

Napi::Value DirectoryWatchObject::Open(const Napi::CallbackInfo& info) {
  if (closed_) {
    return ToJs(info.Env(), Failure{"open", EBADF});
  }
  if (wake_up_.is_open()) {
    return info.Env().Undefined();
  }
  return ToJs(info.Env(), Begin(info.Env()));
}

Result DirectoryWatchObject::Begin(Napi::Env env) {
  if (!wake_up_.Open(env, on_ready_.Value(), "xe-directory")) {
    return Failure{"open", ENOMEM};
  }
  Result failure = watch_.Open(path_, files_);
  failure = failure ? failure : poller_.Open();
  failure = failure ? failure : poller_.AddOnce(watch_.fd(), kWatchIndex);
  failure = failure ? failure : thread_.Start("xe-directory", [this] { WaitForChanges(); });
  if (failure) {
    wake_up_.Close();
    return failure;
  }
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
      wake_up_.Call();
    }
  }
}

Napi::Value DirectoryWatchObject::Drain(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const DirectoryChanges changes = watch_.Drain();
  if (wake_up_.is_open()) {
    poller_.Rearm(watch_.fd(), kWatchIndex);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("created", ToJs(env, changes.created));
  object.Set("deleted", ToJs(env, changes.deleted));
  object.Set("opened", changes.opened);
  object.Set("overflow", changes.overflow);
  object.Set("gone", changes.gone);
  return object;
}

void DirectoryWatchObject::Close(const Napi::CallbackInfo&) {
  closed_ = true;
  // It usually refers to us: held on to, neither could be collected.
  on_ready_.Reset();
  if (wake_up_.is_open()) {
    wake_up_.Close();
    Unref();
  }
}

/// Also after half a Begin.
void DirectoryWatchObject::Shutdown() {
  stop_.store(true);
  if (thread_.running()) {
    poller_.Interrupt();
    thread_.Join();
  }
  stop_.store(false);
  watch_.Close();
  poller_.Close();
}

}  // namespace xe
