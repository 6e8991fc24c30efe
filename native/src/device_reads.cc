#include "device_reads.h"

#include <fcntl.h>

#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "blocking_reads.h"
#include "borrow_arguments.h"
#include "linux/copy_file.h"
#include "linux/drm_memory.h"
#include "linux/generic_netlink.h"
#include "linux/read_file.h"
#include "netlink_answer.h"

namespace xe {

namespace {

BlockingRead FileRead(Arguments* args, const Napi::Object& read) {
  const std::string path = args->String(read.Get("path"), "read.path");
  return [path](const std::atomic<bool>&) -> ReadOutcome {
    ReadOutcome outcome;
    outcome.failure = ReadFile(AT_FDCWD, path.c_str(), &outcome.bytes);
    return outcome;
  };
}

/// A read of a GPU that must not wake it: `runtime_status` of its PCI device is looked at right before.
template <typename Read>
BlockingRead WhileAwake(const std::string& runtime_status, Read read) {
  return [runtime_status, read](const std::atomic<bool>&) -> ReadOutcome {
    ReadOutcome outcome;
    outcome.failure = RequireAwake(runtime_status);
    if (!outcome.failure) {
      outcome.failure = read(&outcome.bytes);
    }
    return outcome;
  };
}

BlockingRead FdinfoRead(Arguments* args, const Napi::Object& read) {
  const std::string proc_root = args->String(read.Get("procRoot"), "read.procRoot");
  const std::string status = args->String(read.Get("runtimeStatus"), "read.runtimeStatus");
  const BorrowTarget target = ReadBorrowTarget(args, read);
  return WhileAwake(status, [proc_root, target](std::string* bytes) { return ReadFdinfo(proc_root, target, bytes); });
}

BlockingRead RegionsRead(Arguments* args, const Napi::Object& read) {
  const std::string node = args->String(read.Get("renderNode"), "read.renderNode");
  const std::string status = args->String(read.Get("runtimeStatus"), "read.runtimeStatus");
  const uint32_t major = args->Uint32(read.Get("major"), "read.major");
  const uint32_t minor = args->Uint32(read.Get("minor"), "read.minor");
  return WhileAwake(status, [node, major, minor](std::string* bytes) { return ReadMemoryRegions(node, major, minor, bytes); });
}

/// Answers `whole`, or `cut` when there was more.
BlockingRead CopyRead(Arguments* args, const Napi::Object& read) {
  const FileCopy copy{
      args->String(read.Get("path"), "read.path"),
      args->String(read.Get("to"), "read.to"),
      args->Uint64(read.Get("mostBytes"), "read.mostBytes"),
      args->Uint64(read.Get("bytesPerSecond"), "read.bytesPerSecond"),
  };
  if (!args->failed() && copy.bytes_per_second == 0) {
    args->Throw("read.bytesPerSecond must not be 0");
  }
  return [copy](const std::atomic<bool>& cancelled) -> ReadOutcome {
    ReadOutcome outcome;
    bool whole = false;
    outcome.failure = CopyFile(copy, cancelled, &whole);
    outcome.bytes = whole ? "whole" : "cut";
    return outcome;
  };
}

std::string ToString(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

BlockingRead NetlinkRead(Arguments* args, const Napi::Object& read) {
  const std::string request = ToString(args->Bytes(read.Get("request"), "read.request"));
  const std::string status = args->String(read.Get("runtimeStatus"), "read.runtimeStatus");
  const uint32_t timeout_ms = args->Uint32(read.Get("timeoutMs"), "read.timeoutMs", 1, 600'000);
  return WhileAwake(status, [request, timeout_ms](std::string* bytes) { return AskGenericNetlink(request, timeout_ms, bytes); });
}

/// What NetlinkAnswer makes of these datagrams; ETIMEDOUT where they are no whole answer.
BlockingRead FakeNetlinkRead(Arguments* args, const Napi::Object& read) {
  const uint32_t sequence = args->Uint32(read.Get("sequence"), "read.sequence");
  const bool is_dump = args->Bool(read.Get("dump"), "read.dump");
  const uint32_t most_bytes = args->Uint32(read.Get("mostBytes"), "read.mostBytes");
  std::vector<std::string> datagrams;
  const Napi::Value list = read.Get("datagrams");
  if (!list.IsArray()) {
    args->Throw("read.datagrams must be an array");
    return {};
  }
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length() && !args->failed(); i++) {
    datagrams.push_back(ToString(args->Bytes(list.As<Napi::Array>().Get(i), "read.datagrams")));
  }
  return [sequence, is_dump, most_bytes, datagrams](const std::atomic<bool>&) -> ReadOutcome {
    NetlinkAnswer answer(sequence, is_dump, most_bytes);
    for (const std::string& datagram : datagrams) {
      // In a block of exactly its size, so that a sanitizer sees a byte too many.
      const std::vector<uint8_t> bytes(datagram.begin(), datagram.end());
      if (const Result failure = answer.Take(bytes)) {
        return {{}, failure};
      }
    }
    return answer.done() ? ReadOutcome{answer.bytes(), {}}
                         : ReadOutcome{{}, Failure{"receive", ETIMEDOUT}};
  };
}

BlockingRead ToRead(Arguments* args, const Napi::Object& read) {
  const std::string kind = args->String(read.Get("kind"), "read.kind");
  if (kind == "file") {
    return FileRead(args, read);
  }
  if (kind == "fdinfo") {
    return FdinfoRead(args, read);
  }
  if (kind == "copy") {
    return CopyRead(args, read);
  }
  if (kind == "netlink") {
    return NetlinkRead(args, read);
  }
  if (kind == "fake_netlink") {
    return FakeNetlinkRead(args, read);
  }
  if (kind != "mem_regions") {
    args->Throw("read.kind must be file, fdinfo, copy, netlink, fake_netlink or mem_regions");
  }
  return RegionsRead(args, read);
}

}  // namespace

Napi::Value OnStartReads(const Napi::CallbackInfo& info) {
  Arguments args(info.Env());
  const Napi::Function on_result = args.Function(info[1], "onResult");
  std::vector<BlockingRead> reads;
  if (!info[0].IsArray()) {
    args.Throw("reads must be an array");
    return info.Env().Undefined();
  }
  const Napi::Array list = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length() && !args.failed(); i++) {
    reads.push_back(ToRead(&args, args.Object(list.Get(i), "read")));
  }
  if (args.failed()) {
    return info.Env().Undefined();
  }
  return StartBlockingReads(info.Env(), std::move(reads), on_result);
}

}  // namespace xe
