#pragma once

#include <napi.h>

#include <memory>

#include "batch_queue.h"
#include "js_wake_up.h"
#include "notification_source.h"
#include "reader_thread.h"

namespace xe {

/// The JavaScript class Reader; exporter/native/binding.ts is its contract. An open reader keeps
/// itself and the event loop alive until close(). All functions run on the JavaScript thread of the
/// environment that made it; the environment's end closes it, too.
class ReaderObject : public Napi::ObjectWrap<ReaderObject>, private WakeUpOwner {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit ReaderObject(const Napi::CallbackInfo& info);
  ~ReaderObject() override { wake_up_.Close(); }

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
  bool BeginWakeUp() override { return queue_->BeginWakeUp(); }
  void Shutdown() override;

  // A borrow in flight shares the source; the thread is joined before either goes.
  std::shared_ptr<NotificationSource> source_;
  std::unique_ptr<BatchQueue> queue_;
  std::unique_ptr<ReaderThread> thread_;
  JsWakeUp wake_up_{this};
};

}  // namespace xe
