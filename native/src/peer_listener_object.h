#pragma once

#include <napi.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "js_wake_up.h"
#include "linux/peer_socket.h"
#include "native_thread.h"
#include "pipe_poller.h"

namespace xe {

/// The JavaScript class PeerListener; exporter/native/binding.ts is its contract. An open one keeps
/// itself and the event loop alive until close(). All functions run on the JavaScript thread of the
/// environment that made it; the environment's end closes it, too.
class PeerListenerObject : public Napi::ObjectWrap<PeerListenerObject>, private WakeUpOwner {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit PeerListenerObject(const Napi::CallbackInfo& info);
  ~PeerListenerObject() override { wake_up_.Close(); }

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  Result Begin(Napi::Env env);
  void WaitForPeers();
  void Accept();
  void Shutdown() override;

  std::string path_;
  std::string proc_root_;
  Napi::FunctionReference on_ready_;
  UniqueFd listener_;
  PipePoller poller_;
  NativeThread thread_;
  std::atomic<bool> stop_ = false;
  bool closed_ = false;

  // Between the two threads.
  std::mutex mutex_;
  std::vector<PeerConnection> accepted_;
  Result failure_;

  JsWakeUp wake_up_{this};
};

}  // namespace xe
