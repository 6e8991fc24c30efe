#include "native_thread.h"

#include <signal.h>

#include <utility>

namespace xe {

Result NativeThread::Start(const char* name, std::function<void()> body) {
  body_ = std::move(body);
  // The new thread inherits the mask set here.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // Not std::thread: without C++ exceptions its refusal would abort the process.
  const int error = pthread_create(
      &thread_, nullptr,
      [](void* self) -> void* {
        static_cast<NativeThread*>(self)->body_();
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return Failure{"pthread_create", error};
  }
  pthread_setname_np(thread_, name);
  running_ = true;
  return std::nullopt;
}

void NativeThread::Join() {
  if (std::exchange(running_, false)) {
    pthread_join(thread_, nullptr);
  }
}

}  // namespace xe
