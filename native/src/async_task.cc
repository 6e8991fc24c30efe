#include "async_task.h"

#include <memory>
#include <utility>

namespace xe {

namespace {

struct Task {
  std::function<TaskOutcome()> work;
  TaskOutcome outcome;
  napi_deferred deferred = nullptr;
  napi_async_work handle = nullptr;
};

void Execute(napi_env, void* data) {
  Task* task = static_cast<Task*>(data);
  task->outcome = task->work();
}

void Complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Task> task(static_cast<Task*>(data));
  if (status == napi_ok) {
    napi_resolve_deferred(env, task->deferred, task->outcome(env));
  }
  napi_delete_async_work(env, task->handle);
}

}  // namespace

Napi::Value RunOffThread(Napi::Env env, const char* name, std::function<TaskOutcome()> work) {
  auto task = std::make_unique<Task>();
  task->work = std::move(work);
  napi_value promise = nullptr;
  if (napi_create_promise(env, &task->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, Napi::String::New(env, name), Execute, Complete,
                             task.get(), &task->handle) != napi_ok ||
      napi_queue_async_work(env, task->handle) != napi_ok) {
    Napi::Error::New(env).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  task.release();  // Complete owns it now.
  return Napi::Value(env, promise);
}

}  // namespace xe
