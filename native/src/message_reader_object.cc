#include "message_reader_object.h"

#include <cerrno>
#include <climits>
#include <utility>

#include "drain_object.h"
#include "failure_object.h"
#include "kmsg_protocol.h"
#include "linux/kmsg_device.h"
#include "linux/trace_pipe.h"
#include "linux/uevent_socket.h"
#include "trace_protocol.h"
#include "uevent_protocol.h"

namespace xe {

Napi::Function MessageReaderObject::Define(Napi::Env env) {
  return DefineClass(env, "MessageReader",
                     {
                         InstanceMethod<&MessageReaderObject::Open>("open"),
                         InstanceMethod<&MessageReaderObject::Drain>("drain"),
                         InstanceMethod<&MessageReaderObject::Stats>("stats"),
                         InstanceMethod<&MessageReaderObject::Post>("post"),
                         InstanceMethod<&MessageReaderObject::PostError>("postError"),
                         InstanceMethod<&MessageReaderObject::Close>("close"),
                     });
}

MessageReaderObject::MessageReaderObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Arguments args(info.Env());
  const Napi::Object object = args.Object(info[0], "options");
  ReadOptions(&args, object);
  const Napi::Function on_ready = args.Function(object.Get("onReady"), "options.onReady");
  if (!args.failed()) {
    on_ready_ = Napi::Persistent(on_ready);
    queue_ = std::make_unique<BatchQueue>(options_.queue_bytes);
  }
}

void MessageReaderObject::ReadOptions(Arguments* args, const Napi::Object& object) {
  const std::string protocol = args->String(object.Get("protocol"), "options.protocol");
  const std::string backend = args->String(object.Get("backend"), "options.backend");
  if (protocol != "kmsg" && protocol != "uevent" && protocol != "trace") {
    args->Throw("options.protocol must be 'kmsg', 'uevent' or 'trace'");
  }
  if (backend != "linux" && backend != "fake") {
    args->Throw("options.backend must be 'linux' or 'fake'");
  }
  options_.protocol = protocol == "uevent"  ? Protocol::kUevent
                      : protocol == "trace" ? Protocol::kTrace
                                            : Protocol::kKmsg;
  options_.fake = backend == "fake";
  if (options_.protocol == Protocol::kUevent) {
    options_.receive_bytes = args->Uint32(object.Get("receiveBytes"), "options.receiveBytes");
  } else {
    options_.path = args->String(object.Get("path"), "options.path");
  }
  if (options_.protocol == Protocol::kKmsg) {
    options_.since_boot = args->Bool(object.Get("sinceBoot"), "options.sinceBoot");
  }
  options_.keep = args->Strings(object.Get("keep"), "options.keep");
  options_.queue_bytes =
      args->Uint32(object.Get("queueBytes"), "options.queueBytes", 1, kMaxQueueBytes);
}

Napi::Value MessageReaderObject::Open(const Napi::CallbackInfo& info) {
  if (closed_) {
    return ToJs(info.Env(), Failure{"open", EBADF});
  }
  if (wake_up_.is_open()) {
    return info.Env().Undefined();
  }
  return ToJs(info.Env(), Begin(info.Env()));
}

Result MessageReaderObject::Begin(Napi::Env env) {
  MessageOrigin origin;
  if (const Result failure = MakeOrigin(&origin)) {
    return failure;
  }
  if (!wake_up_.Open(env, on_ready_.Value(), "xe-messages")) {
    return Failure{"open", ENOMEM};
  }
  thread_ = std::make_unique<MessageThread>(std::move(origin), KeepFilter(options_.keep),
                                            queue_.get(), [this] { wake_up_.Call(); });
  if (const Result failure = thread_->Start()) {
    wake_up_.Close();
    return failure;
  }
  Ref();
  return std::nullopt;
}

Result MessageReaderObject::MakeOrigin(MessageOrigin* origin) {
  const Result failure = OpenDevice(&origin->device);
  switch (options_.protocol) {
    case Protocol::kKmsg:
      origin->protocol = std::make_unique<KmsgProtocol>();
      break;
    case Protocol::kUevent:
      origin->protocol = std::make_unique<UeventProtocol>(origin->device.get());
      break;
    case Protocol::kTrace:
      origin->protocol = std::make_unique<TraceProtocol>();
      break;
  }
  return failure;
}

Result MessageReaderObject::OpenDevice(std::unique_ptr<MessageDevice>* device) {
  if (options_.fake) {
    std::unique_ptr<FakeMessageDevice> fake;
    const Result failure = FakeMessageDevice::Open(&fake);
    fake_ = fake.get();
    *device = std::move(fake);
    return failure;
  }
  switch (options_.protocol) {
    case Protocol::kKmsg:
      return KmsgDevice::Open(options_.path, options_.since_boot, device);
    case Protocol::kUevent:
      return UeventSocket::Open(options_.receive_bytes, device);
    case Protocol::kTrace:
      return TracePipe::Open(options_.path, device);
  }
  return Failure{"open", EINVAL};
}

Napi::Value MessageReaderObject::Drain(const Napi::CallbackInfo& info) {
  return DrainToJs(info, queue_.get());
}

Napi::Value MessageReaderObject::Stats(const Napi::CallbackInfo& info) {
  const MessageStats stats = thread_ ? thread_->Stats() : stats_;
  const QueueStats queue = queue_->Stats();
  Napi::Object object = Napi::Object::New(info.Env());
  const auto set = [&object](const char* name, uint64_t value) {
    object.Set(name, static_cast<double>(value));
  };
  set("read", stats.read);
  set("foreign", stats.foreign);
  set("unwanted", stats.unwanted);
  set("kept", stats.kept);
  set("dropped", queue.records_dropped);
  set("lossNotices", stats.loss_notices);
  set("missing", stats.missing);
  set("queuedBytes", queue.queued_bytes);
  set("queuedBytesPeak", queue.queued_bytes_peak);
  set("wakeups", queue.wakeups);
  if (stats.failure) {
    object.Set("failure", ToJs(info.Env(), stats.failure));
  }
  return object;
}

Napi::Value MessageReaderObject::Post(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const std::span<const uint8_t> message = args.Bytes(info[0], "message");
  const uint32_t sender = info[1].IsUndefined() ? 0 : args.Uint32(info[1], "sender");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), fake_ != nullptr && fake_->Post(message, sender));
}

Napi::Value MessageReaderObject::PostError(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t error = args.Uint32(info[0], "errno", 1, INT_MAX);
  const uint32_t drops = info[1].IsUndefined() ? 0 : args.Uint32(info[1], "drops");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(),
                            fake_ != nullptr && fake_->PostError(static_cast<int>(error), drops));
}

void MessageReaderObject::Close(const Napi::CallbackInfo&) {
  closed_ = true;
  // It usually refers to us: held on to, neither could be collected.
  on_ready_.Reset();
  if (wake_up_.is_open()) {
    wake_up_.Close();
    Unref();
  }
}

/// The queue and the figures stay.
void MessageReaderObject::Shutdown() {
  thread_->Stop();
  stats_ = thread_->Stats();
  fake_ = nullptr;
  thread_.reset();
}

}  // namespace xe
