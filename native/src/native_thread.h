#pragma once

#include <pthread.h>

#include <functional>

#include "failure.h"

namespace xe {

/// One thread that is joined. It takes no signals: those belong to Node's main thread.
/// Start and Join belong to the thread that owns the object.
class NativeThread {
 public:
  ~NativeThread() { Join(); }

  bool running() const { return running_; }

  /// Runs `body` under `name` (at most 15 bytes). Once, while not running. Error: `pthread_create`.
  Result Start(const char* name, std::function<void()> body);

  /// Runs `body` on a thread that nobody waits for: it may hang. Whatever it uses it must own.
  static Result StartDetached(const char* name, std::function<void()> body);

  /// Waits for the end of `body`, which the caller has brought about. Safe to repeat.
  void Join();

 private:
  pthread_t thread_ = {};
  bool running_ = false;
};

}  // namespace xe
