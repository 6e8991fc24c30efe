#include "peer_listener_object.h"

#include <cerrno>
#include <utility>

#include "arguments.h"
#include "failure_object.h"

namespace xe {

namespace {

/// The poller has one descriptor beside its own.
constexpr uint32_t kListenerIndex = 0;
/// Taken before JavaScript has drained them; the rest waits in the kernel's backlog.
constexpr size_t kMostAtOnce = 32;

/// Gives the descriptor away.
Napi::Object ToJs(Napi::Env env, PeerConnection* connection) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("pid", connection->pid);
  object.Set("cgroup", Napi::Buffer<char>::Copy(env, connection->cgroup.data(),
                                                connection->cgroup.size()));
  if (connection->failure) {
    object.Set("failure", ToJs(env, connection->failure));
  }
  object.Set("fd", connection->fd.Release());
  return object;
}

}  // namespace

Napi::Function PeerListenerObject::Define(Napi::Env env) {
  return DefineClass(env, "PeerListener",
                     {
                         InstanceMethod<&PeerListenerObject::Open>("open"),
                         InstanceMethod<&PeerListenerObject::Drain>("drain"),
                         InstanceMethod<&PeerListenerObject::Close>("close"),
                     });
}

PeerListenerObject::PeerListenerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Arguments args(info.Env());
  const Napi::Object options = args.Object(info[0], "options");
  path_ = args.String(options.Get("path"), "options.path");
  proc_root_ = args.String(options.Get("procRoot"), "options.procRoot");
  const Napi::Function on_ready = args.Function(options.Get("onReady"), "options.onReady");
  if (!args.failed()) {
    on_ready_ = Napi::Persistent(on_ready);
  }
}

Napi::Value PeerListenerObject::Open(const Napi::CallbackInfo& info) {
  if (closed_) {
    return ToJs(info.Env(), Failure{"open", EBADF});
  }
  if (wake_up_.is_open()) {
    return info.Env().Undefined();
  }
  return ToJs(info.Env(), Begin(info.Env()));
}

Result PeerListenerObject::Begin(Napi::Env env) {
  if (!wake_up_.Open(env, on_ready_.Value(), "xe-peers")) {
    return Failure{"open", ENOMEM};
  }
  Result failure = ListenUnix(path_, &listener_);
  failure = failure ? failure : poller_.Open();
  failure = failure ? failure : poller_.AddOnce(listener_.get(), kListenerIndex);
  failure = failure ? failure : thread_.Start("xe-peers", [this] { WaitForPeers(); });
  if (failure) {
    wake_up_.Close();
    return failure;
  }
  Ref();
  return std::nullopt;
}

/// The thread.
void PeerListenerObject::WaitForPeers() {
  std::vector<uint32_t> ready;
  while (!stop_.load()) {
    ready.clear();
    poller_.Wait(/*block=*/true, &ready);
    if (!ready.empty() && !stop_.load()) {
      Accept();
      wake_up_.Call();
    }
  }
}

void PeerListenerObject::Accept() {
  for (size_t i = 0; i < kMostAtOnce; i++) {
    PeerConnection connection;
    const Result failure = AcceptPeer(listener_.get(), proc_root_, &connection);
    const std::lock_guard lock(mutex_);
    if (failure && (failure->error == ECONNABORTED || failure->error == EINTR)) {
      continue;
    }
    if (failure) {
      failure_ = failure->error == EAGAIN ? std::nullopt : failure;
      return;
    }
    accepted_.push_back(std::move(connection));
  }
}

Napi::Value PeerListenerObject::Drain(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<PeerConnection> accepted;
  Result failure;
  {
    const std::lock_guard lock(mutex_);
    accepted.swap(accepted_);
    std::swap(failure, failure_);
  }
  Napi::Array connections = Napi::Array::New(env, accepted.size());
  for (uint32_t i = 0; i < accepted.size(); i++) {
    connections.Set(i, ToJs(env, &accepted[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("connections", connections);
  if (failure) {
    object.Set("failure", ToJs(env, failure));
  } else if (wake_up_.is_open()) {
    poller_.Rearm(listener_.get(), kListenerIndex);
  }
  return object;
}

void PeerListenerObject::Close(const Napi::CallbackInfo&) {
  closed_ = true;
  // It usually refers to us: held on to, neither could be collected.
  on_ready_.Reset();
  if (wake_up_.is_open()) {
    wake_up_.Close();
    Unref();
  }
}

/// Also after half a Begin.
void PeerListenerObject::Shutdown() {
  stop_.store(true);
  if (thread_.running()) {
    poller_.Interrupt();
    thread_.Join();
  }
  stop_.store(false);
  listener_.Reset();
  poller_.Close();
  accepted_.clear();
}

}  // namespace xe
