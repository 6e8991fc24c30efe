#include "reader_object.h"

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "async_task.h"
#include "borrow_arguments.h"
#include "drain_object.h"
#include "failure_object.h"
#include "fake/fake_pipe.h"
#include "linux/watch_queue.h"

namespace xe {

namespace {

Result MakeWatchQueue(uint32_t records, std::shared_ptr<NotificationPipe>* pipe) {
  std::shared_ptr<WatchQueue> queue;
  const Result failure = WatchQueue::Create(records, &queue);
  *pipe = std::move(queue);
  return failure;
}

}  // namespace

Napi::Function ReaderObject::Define(Napi::Env env) {
  return DefineClass(env, "Reader",
                     {
                         InstanceMethod<&ReaderObject::Open>("open"),
                         InstanceMethod<&ReaderObject::SetFilter>("setFilter"),
                         InstanceMethod<&ReaderObject::Drain>("drain"),
                         InstanceMethod<&ReaderObject::Borrow>("borrow"),
                         InstanceMethod<&ReaderObject::Post>("post"),
                         InstanceMethod<&ReaderObject::Stats>("stats"),
                         InstanceMethod<&ReaderObject::Close>("close"),
                     });
}

ReaderObject::ReaderObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  const Napi::Function on_ready = ReadOptions(info);
  if (env.IsExceptionPending()) {
    return;
  }
  if (!wake_up_.Open(env, on_ready, "xe-reader")) {
    Napi::Error::New(env).ThrowAsJavaScriptException();
    return;
  }
  thread_ = std::make_unique<ReaderThread>(source_.get(), queue_.get(),
                                           [this] { wake_up_.Call(); });
  Ref();
}

/// Makes source and queue from the options, or throws; returns onReady.
Napi::Function ReaderObject::ReadOptions(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const Napi::Object options = args.Object(info[0], "options");
  const std::string backend = args.String(options.Get("backend"), "options.backend");
  const uint32_t queue_bytes =
      args.Uint32(options.Get("queueBytes"), "options.queueBytes", 1, kMaxQueueBytes);
  const Napi::Function on_ready = args.Function(options.Get("onReady"), "options.onReady");
  if (backend != "linux" && backend != "fake") {
    args.Throw("options.backend must be 'linux' or 'fake'");
  }
  if (!args.failed()) {
    source_ =
        std::make_shared<NotificationSource>(backend == "fake" ? FakePipe::Create : MakeWatchQueue);
    queue_ = std::make_unique<BatchQueue>(queue_bytes);
  }
  return on_ready;
}

Napi::Value ReaderObject::Open(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t records = args.Uint32(info[0], "records");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  if (const Result failure = EnsureRunning()) {
    return ToJs(info.Env(), failure);
  }
  uint32_t pipe = 0;
  if (const Result failure = source_->Open(records, &pipe)) {
    return ToJs(info.Env(), failure);
  }
  return Napi::Number::New(info.Env(), pipe);
}

/// The thread starts with the first pipe, where a refusal can be returned as a value.
Result ReaderObject::EnsureRunning() {
  if (const Result failure = source_->Prepare()) {
    return failure;
  }
  return thread_->Start();
}

Napi::Value ReaderObject::SetFilter(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t pipe_index = args.Uint32(info[0], "pipe");
  const std::vector<uint32_t> numbers = args.Uint32s(info[1], "filters");
  if (numbers.size() % 2 != 0) {
    args.Throw("filters must be pairs of type and subtype mask");
  }
  if (args.failed()) {
    return info.Env().Undefined();
  }
  std::vector<TypeFilter> filters;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    filters.push_back({numbers[i], numbers[i + 1]});
  }
  const std::shared_ptr<NotificationPipe> pipe = source_->Find(pipe_index);
  return ToJs(info.Env(), pipe ? pipe->SetFilter(filters) : Failure{"set_filter", EBADF});
}

Napi::Value ReaderObject::Drain(const Napi::CallbackInfo& info) {
  return DrainToJs(info, queue_.get());
}

Napi::Value ReaderObject::Borrow(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const Napi::Object object = args.Object(info[0], "request");
  WatchRequest request = {};
  request.target = ReadBorrowTarget(&args, object);
  request.watch_id = args.Uint32(object.Get("watchId"), "request.watchId");
  request.request = args.Uint32(object.Get("request"), "request.request");
  const uint32_t pipe = args.Uint32(object.Get("pipe"), "request.pipe");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-borrow", [source = source_, pipe, request]() -> TaskOutcome {
    return [result = source->Watch(pipe, request)](Napi::Env env) { return ToJs(env, result); };
  });
}

Napi::Value ReaderObject::Post(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t pipe_index = args.Uint32(info[0], "pipe");
  const std::span<const uint8_t> records = args.Bytes(info[1], "bytes");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  const std::shared_ptr<NotificationPipe> pipe = source_->Find(pipe_index);
  const PostOutcome outcome = pipe ? pipe->Post(records) : PostOutcome{Failure{"post", EBADF}};
  return outcome.failure ? ToJs(info.Env(), outcome.failure)
                         : Napi::Number::New(info.Env(), outcome.dropped);
}

Napi::Value ReaderObject::Stats(const Napi::CallbackInfo& info) {
  const QueueStats stats = queue_->Stats();
  Napi::Object object = Napi::Object::New(info.Env());
  const auto set = [&object](const char* name, uint64_t value) {
    object.Set(name, static_cast<double>(value));
  };
  set("reads", stats.reads);
  set("bytesRead", stats.bytes_read);
  set("recordsRead", stats.records_read);
  set("recordsDropped", stats.records_dropped);
  set("queuedBytes", stats.queued_bytes);
  set("queuedBytesPeak", stats.queued_bytes_peak);
  set("wakeups", stats.wakeups);
  return object;
}

void ReaderObject::Close(const Napi::CallbackInfo&) {
  if (wake_up_.is_open()) {
    wake_up_.Close();
    Unref();
  }
}

void ReaderObject::Shutdown() {
  thread_->Stop();
  source_->Close();
}

}  // namespace xe
