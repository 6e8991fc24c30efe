#include <napi.h>

#include <limits>
#include <string>
#include <vector>

#include "arguments.h"
#include "async_task.h"
#include "borrow_arguments.h"
#include "failure_object.h"
#include "linux/borrow_fd.h"
#include "linux/drm_fd_scan.h"
#include "linux/fd_limit.h"
#include "linux/probe.h"
#include "reader_object.h"

/// The functions of NativeAddon in exporter/native/binding.ts. There is no state beside the
/// readers, so any number of environments may load the addon.
namespace xe {

namespace {

Napi::Value ToJs(Napi::Env env, const ProbeOutcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  if (outcome.failure) {
    object.Set("failure", ToJs(env, outcome.failure));
  }
  if (!outcome.driver.empty()) {
    object.Set("driver", outcome.driver);
  }
  object.Set("attachErrno", outcome.attach_errno);
  object.Set("repeatErrno", outcome.repeat_errno);
  object.Set("removalSeen", outcome.removal_seen);
  return object;
}

Napi::Value ToJs(Napi::Env env, const DrmFdScan& scan) {
  Napi::Array fds = Napi::Array::New(env, scan.fds.size());
  for (uint32_t i = 0; i < scan.fds.size(); i++) {
    const DrmFd& hit = scan.fds[i];
    Napi::Object fd = Napi::Object::New(env);
    fd.Set("pid", hit.pid);
    fd.Set("fd", hit.fd);
    fd.Set("minor", hit.minor);
    fd.Set("startTime", Napi::BigInt::New(env, hit.process.start_time));
    fd.Set("comm", hit.process.comm);
    fds.Set(i, fd);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("fds", fds);
  object.Set("processes", scan.processes);
  object.Set("denied", scan.denied);
  if (scan.failure) {
    object.Set("failure", ToJs(env, scan.failure));
  }
  return object;
}

Napi::Value OnProbe(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const std::string node = args.String(info[0], "renderNode");
  const uint32_t request = args.Uint32(info[1], "request");
  const uint32_t tag = args.Uint32(info[2], "tag");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-probe", [node, request, tag]() -> TaskOutcome {
    return [outcome = ProbeWatchIoctl(node, request, tag)](Napi::Env env) {
      return ToJs(env, outcome);
    };
  });
}

Napi::Value OnProbePipe(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), ProbePipe());
}

Napi::Value OnCanBorrow(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const BorrowTarget target = ReadBorrowTarget(&args, args.Object(info[0], "request"));
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-can-borrow", [target]() -> TaskOutcome {
    UniqueFd borrowed;
    const Result result = BorrowFd(target, &borrowed);
    return [result](Napi::Env env) { return ToJs(env, result); };
  });
}

Napi::Value OnScanDrmFds(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const std::string proc_root = args.String(info[0], "procRoot");
  const uint32_t major = args.Uint32(info[1], "major");
  const std::vector<uint32_t> minors = args.Uint32s(info[2], "minors");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-scan", [proc_root, major, minors]() -> TaskOutcome {
    return [scan = ScanDrmFds(proc_root, major, minors)](Napi::Env env) { return ToJs(env, scan); };
  });
}

Napi::Value OnRaiseFdLimit(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t at_least = args.Uint32(info[0], "atLeast");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  const auto number = [](uint64_t limit) {
    return limit == UINT64_MAX ? std::numeric_limits<double>::infinity()
                               : static_cast<double>(limit);
  };
  const FdLimit limit = RaiseFdLimit(at_least);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("soft", number(limit.soft));
  object.Set("hard", number(limit.hard));
  return object;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Reader", ReaderObject::Define(env));
  exports.Set("minDrainBytes", static_cast<double>(kMinDrainBytes));
  exports.Set("probe", Napi::Function::New<OnProbe>(env, "probe"));
  exports.Set("probePipe", Napi::Function::New<OnProbePipe>(env, "probePipe"));
  exports.Set("canBorrow", Napi::Function::New<OnCanBorrow>(env, "canBorrow"));
  exports.Set("scanDrmFds", Napi::Function::New<OnScanDrmFds>(env, "scanDrmFds"));
  exports.Set("raiseFdLimit", Napi::Function::New<OnRaiseFdLimit>(env, "raiseFdLimit"));
  return exports;
}

}  // namespace

NODE_API_MODULE(xe_exporter, Init)

}  // namespace xe
