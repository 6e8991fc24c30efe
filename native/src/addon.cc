#include <malloc.h>
#include <napi.h>
#include <unistd.h>

#include <climits>
#include <limits>
#include <string>
#include <vector>

#include "arguments.h"
#include "async_task.h"
#include "borrow_arguments.h"
#include "device_reads.h"
#include "directory_watch_object.h"
#include "failure_object.h"
#include "linux/borrow_fd.h"
#include "linux/children.h"
#include "linux/drm_fd_scan.h"
#include "linux/fd_limit.h"
#include "linux/kernel_ring.h"
#include "linux/probe.h"
#include "message_reader_object.h"
#include "peer_listener_object.h"
#include "reader_object.h"

/// The functions of NativeAddon in exporter/native/binding.ts. There is no state beside the
/// objects, so any number of environments may load the addon.
namespace xe {

namespace {

Napi::Value ToJs(Napi::Env env, const ProbeOutcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  if (outcome.failure) {
    object.Set("failure", ToJs(env, outcome.failure));
  }
  object.Set("attachErrno", outcome.attach_errno);
  object.Set("repeatErrno", outcome.repeat_errno);
  object.Set("removalSeen", outcome.removal_seen);
  return object;
}

/// Three numbers a process.
constexpr size_t kGpuFreeFields = 3;

Napi::Value ToJs(Napi::Env env, const std::vector<GpuFreeProcess>& processes) {
  Napi::Float64Array numbers = Napi::Float64Array::New(env, processes.size() * kGpuFreeFields);
  for (size_t i = 0; i < processes.size(); i++) {
    numbers[i * kGpuFreeFields] = processes[i].pid;
    numbers[i * kGpuFreeFields + 1] = processes[i].start_time;
    numbers[i * kGpuFreeFields + 2] = processes[i].open_files;
  }
  return numbers;
}

std::vector<GpuFreeProcess> ReadGpuFree(Arguments* args, Napi::Value value) {
  const std::vector<double> numbers =
      value.IsUndefined() ? std::vector<double>() : args->Doubles(value, "gpuFree");
  if (numbers.size() % kGpuFreeFields != 0) {
    args->Throw("gpuFree must be triples of pid, start time and open files");
    return {};
  }
  std::vector<GpuFreeProcess> processes;
  for (size_t i = 0; i < numbers.size(); i += kGpuFreeFields) {
    if (!(numbers[i] > 0 && numbers[i] <= INT_MAX)) {
      args->Throw("gpuFree must have pids of 1..2147483647");
      return {};
    }
    processes.push_back({static_cast<int>(numbers[i]), numbers[i + 1], numbers[i + 2]});
  }
  return processes;
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
  object.Set("gpuFree", ToJs(env, scan.gpu_free));
  object.Set("processes", scan.processes);
  object.Set("skipped", scan.skipped);
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
  const std::vector<GpuFreeProcess> skip = ReadGpuFree(&args, info[3]);
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-scan", [proc_root, major, minors, skip]() -> TaskOutcome {
    return [scan = ScanDrmFds(proc_root, major, minors, skip)](Napi::Env env) {
      return ToJs(env, scan);
    };
  });
}

Napi::Value OnFindDrmFds(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const std::string proc_root = args.String(info[0], "procRoot");
  const std::vector<uint32_t> pids = args.Uint32s(info[1], "pids");
  const uint32_t major = args.Uint32(info[2], "major");
  const std::vector<uint32_t> minors = args.Uint32s(info[3], "minors");
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-find", [proc_root, pids, major, minors]() -> TaskOutcome {
    return [scan = FindDrmFds(proc_root, pids, major, minors)](Napi::Env env) {
      return ToJs(env, scan);
    };
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

Napi::Value OnBecomeSubreaper(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), BecomeSubreaper());
}

Napi::Value OnReapOrphans(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t spare = args.Uint32(info[0], "spare", 0, INT_MAX);
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), ReapOrphans(static_cast<int>(spare)));
}

Napi::Value OnReadKernelRing(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const uint32_t max_bytes = args.Uint32(info[0], "maxBytes", 1, kMaxKernelRingBytes);
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return RunOffThread(info.Env(), "xe-kernel-ring", [max_bytes]() -> TaskOutcome {
    return [ring = ReadKernelRing(max_bytes)](Napi::Env env) -> Napi::Value {
      if (ring.failure) {
        return ToJs(env, ring.failure);
      }
      Napi::Object object = Napi::Object::New(env);
      object.Set("text", Napi::Buffer<char>::Copy(env, ring.text.data(), ring.text.size()));
      object.Set("ringBytes", ring.size);
      return object;
    };
  });
}

/// One malloc arena for the whole process. glibc gives every thread one of its own otherwise, which
/// costs 5 MiB, and no thread of a Node.js that mostly waits allocates enough to contend for it.
void ShareMallocArena() {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 1);
#endif
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  ShareMallocArena();
  exports.Set("Reader", ReaderObject::Define(env));
  exports.Set("MessageReader", MessageReaderObject::Define(env));
  exports.Set("DirectoryWatch", DirectoryWatchObject::Define(env));
  exports.Set("PeerListener", PeerListenerObject::Define(env));
  exports.Set("minDrainBytes", static_cast<double>(kMinDrainBytes));
  exports.Set("pageSize", static_cast<double>(sysconf(_SC_PAGESIZE)));
  exports.Set("probe", Napi::Function::New<OnProbe>(env, "probe"));
  exports.Set("probePipe", Napi::Function::New<OnProbePipe>(env, "probePipe"));
  exports.Set("canBorrow", Napi::Function::New<OnCanBorrow>(env, "canBorrow"));
  exports.Set("scanDrmFds", Napi::Function::New<OnScanDrmFds>(env, "scanDrmFds"));
  exports.Set("findDrmFds", Napi::Function::New<OnFindDrmFds>(env, "findDrmFds"));
  exports.Set("readKernelRing", Napi::Function::New<OnReadKernelRing>(env, "readKernelRing"));
  exports.Set("startReads", Napi::Function::New<OnStartReads>(env, "startReads"));
  exports.Set("becomeSubreaper", Napi::Function::New<OnBecomeSubreaper>(env, "becomeSubreaper"));
  exports.Set("reapOrphans", Napi::Function::New<OnReapOrphans>(env, "reapOrphans"));
  exports.Set("raiseFdLimit", Napi::Function::New<OnRaiseFdLimit>(env, "raiseFdLimit"));
  return exports;
}

}  // namespace

NODE_API_MODULE(xe_exporter, Init)

}  // namespace xe
