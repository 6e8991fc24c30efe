#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "failure.h"
#include "message_device.h"
#include "unique_fd.h"

namespace xe {

/// The trace_pipe of one tracing instance, one line a read, without its newline. Reading consumes,
/// and the kernel admits one reader to an instance (kernel/trace/trace.c, Linux 7.3).
class TracePipe : public MessageDevice {
 public:
  /// Errors: `open` (EBUSY: somebody else reads this instance; ENOENT; EACCES; EPERM: lockdown).
  static Result Open(const std::string& path, std::unique_ptr<MessageDevice>* device);

  int fd() const override { return file_.get(); }
  /// -ENODATA when the file says again and again that it has ended.
  MessageRead Read(std::span<uint8_t> buffer) override;
  /// Every event wakes the reader, and one wake-up costs as much as reading fifty events: so not
  /// more often than the ring of a CPU needs.
  std::chrono::milliseconds Rest() override;
  uint64_t Drops() const override { return 0; }

 private:
  explicit TracePipe(UniqueFd file) : file_(std::move(file)) {}
  /// What is read late is not on /metrics yet, and what comes meanwhile has to fit the ring.
  static constexpr std::chrono::milliseconds kShortestRest{2};
  static constexpr std::chrono::milliseconds kLongestRest{50};

  std::optional<MessageRead> NextLine(std::span<uint8_t> buffer);
  void MakeRoom();
  ssize_t Fill();

  const UniqueFd file_;

  // Reader thread only. What was read and not handed out stands between begin_ and end_; up to
  // searched_ it holds no newline.
  std::array<uint8_t, kMaxMessageBytes> chunk_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t searched_ = 0;
  bool overlong_ = false;  // the beginning of this line has been discarded
  int ends_ = 0;           // reads in a row that returned nothing
  size_t read_ = 0;        // bytes since the last rest
  std::chrono::milliseconds rest_ = kShortestRest;
};

}  // namespace xe
