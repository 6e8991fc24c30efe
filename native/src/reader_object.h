#pragma once

#include <napi.h>

#include <memory>

#include "batch_queue.h"
#include "notification_source.h"
#include "reader_thread.h"

namespace xe {

/// The JavaScript class Reader; exporter/native/binding.ts is its contract. An open reader keeps
/// itself and the event loop alive until close(). All functions run on the JavaScript thread of the
/// environment that made it; the environment's end closes it, too.
class ReaderObject : public Napi::ObjectWrap<ReaderObject> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit ReaderObject(const Napi::CallbackInfo& info);
  ~ReaderObject() override { Shutdown(); }

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value SetFilter(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  Napi::Value Borrow(const Napi::CallbackInfo& info);
  Napi::Value Post(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  Napi::Function ReadOptions(const Napi::CallbackInfo& info);
  Result EnsureRunning();
  void Shutdown();
  static void OnWakeUp(napi_env env, napi_value on_ready, void* self, void*);
  static void OnEnvironmentExit(void* self);

  // A borrow in flight shares the source; the thread is joined before either goes.
  std::shared_ptr<NotificationSource> source_;
  std::unique_ptr<BatchQueue> queue_;
  std::unique_ptr<ReaderThread> thread_;
  // Set while open. Only the reader thread calls through it, so it is released after the join.
  napi_threadsafe_function wake_up_ = nullptr;
};

}  // namespace xe
