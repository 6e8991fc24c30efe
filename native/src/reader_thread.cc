#include "reader_thread.h"

#include <cerrno>
#include <utility>

#include "record.h"

namespace xe {

namespace {

/// Reads of one pipe before the others have their turn. One read empties a full ring and a second
/// finds the owed LOSS record, so only a pipe that keeps filling ever uses them up.
constexpr int kReadsPerTurn = 4;

}  // namespace

ReaderThread::ReaderThread(NotificationSource* source, BatchQueue* queue,
                           std::function<void()> wake)
    : source_(source), queue_(queue), wake_(std::move(wake)) {}

Result ReaderThread::Start() {
  if (thread_.running()) {
    return std::nullopt;
  }
  return thread_.Start("xe-reader", [this] { Run(); });
}

void ReaderThread::Stop() {
  if (!thread_.running()) {
    return;
  }
  stop_.store(true);
  source_->Interrupt();
  thread_.Join();
}

void ReaderThread::Run() {
  buffer_ = std::make_unique_for_overwrite<uint8_t[]>(kReadBytes);
  std::vector<uint32_t> ready;
  while (!stop_.load()) {
    ready.clear();
    source_->Wait(/*block=*/active_.empty(), &ready);
    for (const uint32_t pipe : ready) {
      Activate(pipe);
    }
    // epoll knows nothing of an owed LOSS record, so a pipe leaves the list only at EAGAIN.
    std::erase_if(active_, [this](uint32_t pipe) {
      is_active_[pipe] = ReadSome(pipe, kReadsPerTurn);
      return !is_active_[pipe];
    });
  }
  // The last look: what was posted before Stop is read, even if its wake-up came too late.
  for (uint32_t pipe = 0; pipe < source_->pipe_count(); pipe++) {
    ReadSome(pipe, kReadsPerTurn);
  }
}

void ReaderThread::Activate(uint32_t pipe) {
  if (pipe >= is_active_.size()) {
    is_active_.resize(pipe + 1);
  }
  if (!is_active_[pipe]) {
    is_active_[pipe] = true;
    active_.push_back(pipe);
  }
}

/// Reads up to `max_reads` times; returns false once the pipe has nothing more. End of file and
/// errors other than EAGAIN and EINTR cannot happen while we hold the write end (fs/pipe.c,
/// Linux 7.2); they count as "nothing more".
bool ReaderThread::ReadSome(uint32_t pipe, int max_reads) {
  const std::shared_ptr<NotificationPipe> source = source_->Find(pipe);
  if (!source) {
    return false;
  }
  for (int i = 0; i < max_reads; i++) {
    const ssize_t length = source->Read({buffer_.get(), kReadBytes});
    if (length == -EINTR) {
      continue;
    }
    if (length <= 0) {
      return false;
    }
    const std::span<const uint8_t> records(buffer_.get(), static_cast<size_t>(length));
    if (queue_->Append(BatchHeader::Now(pipe), records, record::Count(records))) {
      wake_();
    }
  }
  return true;
}

}  // namespace xe
