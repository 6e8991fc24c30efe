#include "native_thread.h"

#include <signal.h>

#include <memory>
#include <utility>

namespace xe {

namespace {

using Body = std::function<void()>;

Result Create(const char* name, Body body, pthread_t* thread) {
  auto owned = std::make_unique<Body>(std::move(body));
  // The new thread inherits the mask set here.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // Not std::thread: without C++ exceptions its refusal would abort the process.
  const int error = pthread_create(
      thread, nullptr,
      [](void* given) -> void* {
        const std::unique_ptr<Body> run(static_cast<Body*>(given));
        (*run)();
        return nullptr;
      },
      owned.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return Failure{"pthread_create", error};
  }
  owned.release();  // The thread owns it now.
  pthread_setname_np(*thread, name);
  return std::nullopt;
}

}  // namespace

Result NativeThread::Start(const char* name, std::function<void()> body) {
  const Result failure = Create(name, std::move(body), &thread_);
  running_ = !failure;
  return failure;
}

Result NativeThread::StartDetached(const char* name, std::function<void()> body) {
  pthread_t thread;
  const Result failure = Create(name, std::move(body), &thread);
  if (!failure) {
    pthread_detach(thread);
  }
  return failure;
}

void NativeThread::Join() {
  if (std::exchange(running_, false)) {
    pthread_join(thread_, nullptr);
  }
}

}  // namespace xe
