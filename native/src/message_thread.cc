#include "message_thread.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace xe {

namespace {

/// Between two looks at stop_: well below a millisecond.
constexpr int kReadsPerTurn = 256;
/// The poller has one descriptor beside its own.
constexpr uint32_t kDeviceIndex = 0;

}  // namespace

MessageThread::MessageThread(MessageOrigin origin, KeepFilter filter, BatchQueue* queue,
                             std::function<void()> wake)
    : origin_(std::move(origin)),
      filter_(std::move(filter)),
      queue_(queue),
      wake_(std::move(wake)) {}

Result MessageThread::Start() {
  Result failure = poller_.Open();
  failure = failure ? failure : poller_.Add(origin_.device->fd(), kDeviceIndex);
  return failure ? failure : thread_.Start("xe-messages", [this] { Run(); });
}

void MessageThread::Stop() {
  if (!thread_.running()) {
    return;
  }
  stop_.store(true);
  poller_.Interrupt();
  thread_.Join();
}

MessageStats MessageThread::Stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void MessageThread::Run() {
  buffer_ = std::make_unique_for_overwrite<uint8_t[]>(kMaxMessageBytes);
  std::vector<uint32_t> ready;
  Turn turn = Turn::kMore;
  while (!stop_.load() && turn != Turn::kFailed) {
    if (turn == Turn::kDrained) {
      poller_.Rest(origin_.device->Rest());
      ready.clear();
      poller_.Wait(/*block=*/true, &ready);
    }
    turn = ReadSome();
    Wake();
  }
  // The last look: what came before Stop is read, even if its wake-up came too late.
  if (turn != Turn::kFailed) {
    ReadSome();
    Wake();
  }
}

MessageThread::Turn MessageThread::ReadSome() {
  const std::span<uint8_t> buffer(buffer_.get(), kMaxMessageBytes);
  for (int i = 0; i < kReadsPerTurn; i++) {
    const MessageRead read = origin_.device->Read(buffer);
    if (read.length == -EINTR) {
      continue;
    }
    if (read.length == -EAGAIN) {
      CountSettled(origin_.protocol->Settle());
      return Turn::kDrained;
    }
    const auto message = buffer.first(static_cast<size_t>(std::max<ssize_t>(read.length, 0)));
    const Verdict verdict = origin_.protocol->Judge(read, message);
    if (verdict.kind == Verdict::kFailure) {
      Fail(static_cast<int>(-read.length));
      return Turn::kFailed;
    }
    const bool wanted = verdict.kind == Verdict::kMessage && filter_.Wants(message);
    // First the figures, then what makes JavaScript look at them.
    Count(verdict, wanted);
    if (wanted) {
      Append(read, message);
    } else if (verdict.kind == Verdict::kLoss || verdict.missing > 0) {
      Alert();
    }
  }
  return Turn::kMore;
}

void MessageThread::Count(const Verdict& verdict, bool wanted) {
  const std::lock_guard lock(mutex_);
  stats_.missing += verdict.missing;
  if (verdict.kind == Verdict::kLoss) {
    stats_.loss_notices++;
    return;
  }
  stats_.read++;
  stats_.foreign += verdict.kind == Verdict::kForeign;
  stats_.unwanted += verdict.kind == Verdict::kMessage && !wanted;
  stats_.kept += wanted;
}

void MessageThread::CountSettled(uint64_t missing) {
  if (missing == 0) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stats_.missing += missing;
  }
  Alert();
}

void MessageThread::Fail(int error) {
  {
    const std::lock_guard lock(mutex_);
    stats_.failure = Failure{"read", error};
  }
  Alert();
}

/// Asks the clock once a read().
void MessageThread::Append(const MessageRead& read, std::span<const uint8_t> message) {
  if (!read.repeated) {
    stamp_ = BatchHeader::Now(0);
  }
  wake_wanted_ |= queue_->Append(stamp_, message, 1);
}

void MessageThread::Alert() {
  wake_wanted_ |= queue_->Alert();
}

/// Once a turn: JavaScript that were called for the first message would find no more.
void MessageThread::Wake() {
  if (std::exchange(wake_wanted_, false)) {
    wake_();
  }
}

}  // namespace xe
