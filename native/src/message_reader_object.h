#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "batch_queue.h"
#include "failure.h"
#include "fake/fake_message_device.h"
#include "js_wake_up.h"
#include "message_thread.h"

namespace xe {

/// The JavaScript class MessageReader; exporter/native/binding.ts is its contract. An open one
/// keeps itself and the event loop alive until close(). All functions run on the JavaScript thread
/// of the environment that made it; the environment's end closes it, too.
class MessageReaderObject : public Napi::ObjectWrap<MessageReaderObject>, private WakeUpOwner {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit MessageReaderObject(const Napi::CallbackInfo& info);
  ~MessageReaderObject() override { wake_up_.Close(); }

 private:
  enum class Protocol { kKmsg, kUevent, kTrace };
  struct Options {
    bool fake = false;
    Protocol protocol = Protocol::kKmsg;
    std::string path;
    bool since_boot = false;
    uint32_t receive_bytes = 0;
    std::vector<std::string> keep;
    uint32_t queue_bytes = 0;
  };

  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value Post(const Napi::CallbackInfo& info);
  Napi::Value PostError(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void ReadOptions(Arguments* args, const Napi::Object& object);
  Result Begin(Napi::Env env);
  Result MakeOrigin(MessageOrigin* origin);
  Result OpenDevice(std::unique_ptr<MessageDevice>* device);
  bool BeginWakeUp() override { return queue_->BeginWakeUp(); }
  void Shutdown() override;

  Options options_;
  Napi::FunctionReference on_ready_;
  std::unique_ptr<BatchQueue> queue_;
  std::unique_ptr<MessageThread> thread_;  // while open
  FakeMessageDevice* fake_ = nullptr;      // the thread's device, where it is the fake
  MessageStats stats_;                     // what the thread had counted at its end
  bool closed_ = false;
  JsWakeUp wake_up_{this};
};

}  // namespace xe
