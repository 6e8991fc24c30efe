#pragma once

#include <napi.h>

#include <atomic>
#include <string>

#include "linux/directory_watch.h"
#include "native_thread.h"
#include "pipe_poller.h"

namespace xe {

/// The JavaScript class DirectoryWatch; exporter/native/binding.ts is its contract. An open one
/// keeps itself and the event loop alive until close(). All functions run on the JavaScript thread
/// of the environment that made it; the environment's end closes it, too.
class DirectoryWatchObject : public Napi::ObjectWrap<DirectoryWatchObject> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit DirectoryWatchObject(const Napi::CallbackInfo& info);
  ~DirectoryWatchObject() override { Shutdown(); }

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  Result Begin(Napi::Env env);
  void WaitForChanges();
  void Shutdown();
  static void OnWakeUp(napi_env env, napi_value on_ready, void* self, void*);
  static void OnEnvironmentExit(void* self);

  std::string path_;
  Napi::FunctionReference on_ready_;
  DirectoryWatch watch_;
  PipePoller poller_;
  NativeThread thread_;
  std::atomic<bool> stop_ = false;
  bool closed_ = false;
  // Set while open. Only the thread calls through it, so it is released after the join.
  napi_threadsafe_function wake_up_ = nullptr;
};

}  // namespace xe
