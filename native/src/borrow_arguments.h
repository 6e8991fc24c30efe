#pragma once

#include "arguments.h"
#include "notification_pipe.h"

namespace xe {

/// The part of a BorrowRequest (exporter/native/binding.ts) that names a file of a process. Numbers
/// beyond int come out negative, which the kernel refuses.
inline BorrowTarget ReadBorrowTarget(Arguments* args, const Napi::Object& request) {
  BorrowTarget target = {};
  target.pid = static_cast<int>(args->Uint32(request.Get("pid"), "request.pid"));
  target.start_time = args->Uint64(request.Get("startTime"), "request.startTime");
  target.fd = static_cast<int>(args->Uint32(request.Get("fd"), "request.fd"));
  target.major = args->Uint32(request.Get("major"), "request.major");
  target.minor = args->Uint32(request.Get("minor"), "request.minor");
  return target;
}

}  // namespace xe
