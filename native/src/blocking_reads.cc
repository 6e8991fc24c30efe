#include "blocking_reads.h"

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <utility>

#include "failure_object.h"
#include "js_callback.h"
#include "native_thread.h"

namespace xe {

namespace {

struct Delivery {
  uint32_t index;
  ReadOutcome outcome;
};

Napi::Value ToJs(Napi::Env env, const ReadOutcome& outcome) {
  if (outcome.failure) {
    return ToJs(env, outcome.failure);
  }
  return Napi::Buffer<char>::Copy(env, outcome.bytes.data(), outcome.bytes.size());
}

/// Shared by the thread, the thread-safe function and the function that cancels: the last one
/// to go frees it. A thread that hangs may outlive its environment.
class Run {
 public:
  explicit Run(std::vector<BlockingRead> reads) : reads_(std::move(reads)) {}

  /// JavaScript thread.
  static Napi::Value Start(Napi::Env env, const std::shared_ptr<Run>& run,
                           Napi::Function on_result);

 private:
  void Work();
  void Deliver(uint32_t index, ReadOutcome outcome);
  void Finish();
  static void OnDelivery(napi_env env, napi_value on_result, void*, void* data);
  static void OnEnvironmentExit(void* self);
  static void OnFinalize(napi_env env, void* self, void*);

  const std::vector<BlockingRead> reads_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  // Guarded by mutex_: null once all is delivered, or once the environment has ended.
  napi_threadsafe_function to_js_ = nullptr;
};

Napi::Value Run::Start(Napi::Env env, const std::shared_ptr<Run>& run, Napi::Function on_result) {
  auto* kept = new std::shared_ptr<Run>(run);
  if (napi_create_threadsafe_function(env, on_result, nullptr, Napi::String::New(env, "xe-read"),
                                      /*max_queue_size=*/0, /*initial_thread_count=*/1, kept,
                                      OnFinalize, nullptr, OnDelivery, &run->to_js_) != napi_ok) {
    delete kept;
    return xe::ToJs(env, Failure{"pthread_create", ENOMEM});
  }
  napi_unref_threadsafe_function(env, run->to_js_);
  // Hooks run last in, first out: ours before that of the thread-safe function, which deletes it.
  napi_add_env_cleanup_hook(env, OnEnvironmentExit, kept);
  if (const Result failure = NativeThread::StartDetached("xe-read", [run] { run->Work(); })) {
    run->Finish();
    return xe::ToJs(env, failure);
  }
  return Napi::Function::New(env, [run](const Napi::CallbackInfo&) { run->cancelled_.store(true); },
                             "cancel");
}

/// The thread.
void Run::Work() {
  for (uint32_t i = 0; i < reads_.size(); i++) {
    const bool skip = cancelled_.load();
    Deliver(i, skip ? ReadOutcome{{}, Failure{"cancelled", ECANCELED}} : reads_[i](cancelled_));
  }
  Finish();
}

void Run::Deliver(uint32_t index, ReadOutcome outcome) {
  auto delivery = std::make_unique<Delivery>(Delivery{index, std::move(outcome)});
  const std::lock_guard lock(mutex_);
  if (to_js_ != nullptr &&
      napi_call_threadsafe_function(to_js_, delivery.get(), napi_tsfn_nonblocking) == napi_ok) {
    delivery.release();  // OnDelivery owns it now.
  }
}

void Run::Finish() {
  const std::lock_guard lock(mutex_);
  if (to_js_ != nullptr) {
    napi_release_threadsafe_function(std::exchange(to_js_, nullptr), napi_tsfn_release);
  }
}

void Run::OnDelivery(napi_env env, napi_value on_result, void*, void* data) {
  const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(data));
  // Without an environment the function is being torn down.
  if (env != nullptr) {
    CallJs(env, on_result,
           {Napi::Number::New(env, delivery->index), ToJs(env, delivery->outcome)});
  }
}

void Run::OnEnvironmentExit(void* self) {
  Run& run = **static_cast<std::shared_ptr<Run>*>(self);
  run.cancelled_.store(true);
  const std::lock_guard lock(run.mutex_);
  run.to_js_ = nullptr;
}

void Run::OnFinalize(napi_env env, void* self, void*) {
  napi_remove_env_cleanup_hook(env, OnEnvironmentExit, self);
  delete static_cast<std::shared_ptr<Run>*>(self);
}

}  // namespace

Napi::Value StartBlockingReads(Napi::Env env, std::vector<BlockingRead> reads,
                               Napi::Function on_result) {
  return Run::Start(env, std::make_shared<Run>(std::move(reads)), on_result);
}

}  // namespace xe
