#include "linux/trace_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace xe {

namespace {

/// trace_pipe can return 0 when its events vanish between the wait and the read (the ring was
/// reset). A file that only ever does so would keep the thread busy.
constexpr int kMaxEnds = 16;

/// Text read after a rest: with more the next one is shorter, with less it is longer. An event has
/// 100 bytes of text and half of that in the ring, which has 64 KiB for each CPU.
constexpr size_t kBytesARest = 8 * 1024;

}  // namespace

Result TracePipe::Open(const std::string& path, std::unique_ptr<MessageDevice>* device) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!file) {
    return Failure{"open", errno};
  }
  device->reset(new TracePipe(std::move(file)));
  return std::nullopt;
}

MessageRead TracePipe::Read(std::span<uint8_t> buffer) {
  for (bool repeated = true;; repeated = false) {
    if (std::optional<MessageRead> line = NextLine(buffer)) {
      line->repeated = repeated;
      return *line;
    }
    MakeRoom();
    if (const ssize_t failure = Fill(); failure < 0) {
      return {failure};
    }
  }
}

std::chrono::milliseconds TracePipe::Rest() {
  const size_t read = std::exchange(read_, 0);
  rest_ = std::clamp(read > kBytesARest ? rest_ / 4 : rest_ * 2, kShortestRest, kLongestRest);
  return rest_;
}

std::optional<MessageRead> TracePipe::NextLine(std::span<uint8_t> buffer) {
  const uint8_t* const start = chunk_.data() + begin_;
  const auto* const newline =
      static_cast<const uint8_t*>(memchr(chunk_.data() + searched_, '\n', end_ - searched_));
  searched_ = end_;
  if (newline == nullptr) {
    return std::nullopt;
  }
  const size_t length = static_cast<size_t>(newline - start);
  const size_t copied = std::min(length, buffer.size());
  std::copy_n(start, copied, buffer.begin());
  begin_ += length + 1;
  searched_ = begin_;
  const bool cut = std::exchange(overlong_, false) || copied < length;
  return MessageRead{static_cast<ssize_t>(copied), 0, cut};
}

/// Moves the beginning of a line to the front, or discards it when it fills everything.
void TracePipe::MakeRoom() {
  if (begin_ == 0 && end_ == chunk_.size()) {
    overlong_ = true;
    begin_ = end_ = searched_ = 0;
    return;
  }
  std::memmove(chunk_.data(), chunk_.data() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  searched_ = end_;
}

/// Returns a positive number or -errno.
ssize_t TracePipe::Fill() {
  const ssize_t length = read(file_.get(), chunk_.data() + end_, chunk_.size() - end_);
  if (length < 0) {
    return -errno;
  }
  if (length == 0) {
    return ++ends_ < kMaxEnds ? -EAGAIN : -ENODATA;
  }
  ends_ = 0;
  read_ += static_cast<size_t>(length);
  end_ += static_cast<size_t>(length);
  return length;
}

}  // namespace xe
