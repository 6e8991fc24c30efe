#pragma once

#include <napi.h>

namespace xe {

/// A native object with a thread that has news for JavaScript. Both functions run on the JavaScript
/// thread.
class WakeUpOwner {
 public:
  /// Whether JavaScript is to be called now.
  virtual bool BeginWakeUp() { return true; }

  /// Joins the thread and lets go of what it worked with.
  virtual void Shutdown() = 0;

 protected:
  ~WakeUpOwner() = default;
};

/// The way from that thread to a function of JavaScript. While it is open the event loop stays
/// alive, and the end of the environment shuts the owner down. All functions but Call run on the
/// JavaScript thread of the environment.
class JsWakeUp {
 public:
  /// Who owns it calls Close before it goes.
  explicit JsWakeUp(WakeUpOwner* owner) : owner_(owner) {}
  JsWakeUp(const JsWakeUp&) = delete;
  JsWakeUp& operator=(const JsWakeUp&) = delete;

  bool is_open() const { return function_ != nullptr; }

  /// Before the thread starts. False when the environment has no memory for it, or is ending.
  bool Open(Napi::Env env, const Napi::Function& on_ready, const char* name);

  /// From the owner's thread: JavaScript is called soon. Never blocks.
  void Call() const;

  /// Shuts the owner down. A call on its way is not delivered any more. Does nothing when not open.
  void Close();

 private:
  void End();
  static void OnCall(napi_env env, napi_value on_ready, void* self, void*);
  static void OnEnvironmentExit(void* self);

  WakeUpOwner* const owner_;
  napi_env env_ = nullptr;
  // Set while open. Only the thread calls through it, so it is released after the join.
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace xe
