#pragma once

#include <napi.h>

#include <atomic>
#include <string>
#include <vector>

#include "js_wake_up.h"
#include "linux/directory_watch.h"
#include "native_thread.h"
#include "pipe_poller.h"

namespace xe {

/// The JavaScript class DirectoryWatch; exporter/native/binding.ts is its contract. An open one
/// keeps itself and the event loop alive until close(). All functions run on the JavaScript thread
/// of the environment that made it; the environment's end closes it, too.
class DirectoryWatchObject : public Napi::ObjectWrap<DirectoryWatchObject>, private WakeUpOwner {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit DirectoryWatchObject(const Napi::CallbackInfo& info);
  ~DirectoryWatchObject() override { wake_up_.Close(); }

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  Result Begin(Napi::Env env);
  void WaitForChanges();
  void Shutdown() override;

  std::string path_;
  std::vector<std::string> files_;
  Napi::FunctionReference on_ready_;
  DirectoryWatch watch_;
  PipePoller poller_;
  NativeThread thread_;
  std::atomic<bool> stop_ = false;
  bool closed_ = false;
  JsWakeUp wake_up_{this};
};

}  // namespace xe
