// The threads of the addon without Node, for the thread sanitizer, which cannot
// be loaded into node. Posts, opens, filters, drains, borrows and closes at
// once, many times, with both kinds of reader; exits 0 when the sums agree.

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "batch_queue.h"
#include "fake/fake_message_device.h"
#include "fake/fake_pipe.h"
#include "kmsg_protocol.h"
#include "message_thread.h"
#include "notification_source.h"
#include "reader_thread.h"
#include "record.h"

namespace {

constexpr uint32_t kRecordsPerPost = 40;
constexpr int kPosts = 2000;
constexpr int kRounds = 20;

std::vector<uint8_t> MakeRecords() {
  std::vector<uint8_t> bytes(kRecordsPerPost * 16);
  const xe::record::Header header = {2, 16};
  for (uint32_t i = 0; i < kRecordsPerPost; i++) {
    std::memcpy(bytes.data() + i * 16, &header, sizeof(header));
  }
  return bytes;
}

/// Counts records and LOSS records of drained batches.
void CountDrained(const uint8_t *bytes, size_t size, uint64_t *records,
                  uint64_t *losses) {
  for (size_t at = 0; at < size;) {
    xe::BatchHeader header;
    std::memcpy(&header, bytes + at, sizeof(header));
    at += sizeof(header);
    for (size_t end = at + header.length; at < end;) {
      const xe::record::Header record = xe::record::ReadHeader(bytes + at);
      *(record.type() == xe::record::kTypeMeta ? losses : records) += 1;
      at += record.length();
    }
    at = (at + 7) / 8 * 8;
  }
}

bool Round(bool stop_early) {
  auto source = std::make_shared<xe::NotificationSource>(xe::FakePipe::Create);
  xe::BatchQueue queue(256 * 1024);
  std::atomic<int> under_way = 0;
  std::atomic<bool> twice = false;
  xe::ReaderThread reader(source.get(), &queue,
                          [&] { twice = twice || under_way++ != 0; });
  uint32_t pipes[4];
  bool started = !source->Prepare() && !reader.Start();
  for (uint32_t &pipe : pipes) {
    started = started && !source->Open(64, &pipe);
  }
  if (!started) {
    return false;
  }

  uint64_t posted = 0;
  uint64_t dropped = 0;
  uint64_t drained = 0;
  uint64_t losses = 0;
  std::vector<uint8_t> target(xe::kMinDrainBytes);
  const auto drain = [&] {
    while (const size_t size = queue.Drain(target)) {
      CountDrained(target.data(), size, &drained, &losses);
    }
  };
  // Plays the pool thread: borrows, and holds pipes beyond Close.
  std::thread pool([source, &pipes] {
    for (int i = 0; i < kPosts; i++) {
      source->Watch(pipes[i % 4], {});
      if (const auto pipe = source->Find(pipes[i % 4])) {
        pipe->SetFilter({});
      }
    }
  });
  // Plays JavaScript: posts, answers wake-ups and drains now and then.
  const std::vector<uint8_t> records = MakeRecords();
  for (int i = 0; i < kPosts; i++) {
    dropped += source->Find(pipes[i % 4])->Post(records).dropped;
    posted += kRecordsPerPost;
    if (under_way > 0) {
      under_way--;
      if (queue.BeginWakeUp() && i % 3 == 0) {
        drain();
      }
    }
    if (i % 500 == 0) {
      uint32_t another;
      source->Open(32, &another);
    }
    if (stop_early && i == kPosts / 2) {
      break;
    }
  }
  reader.Stop();
  source->Close();
  drain();
  pool.join();

  const xe::QueueStats stats = queue.Stats();
  const bool agree =
      !twice &&
      drained + losses + stats.records_dropped == stats.records_read &&
      drained <= posted - dropped && stats.queued_bytes == 0 &&
      (stats.records_dropped > 0 || drained == posted - dropped);
  if (!agree) {
    std::fprintf(stderr,
                 "posted %lu dropped %lu read %lu queue dropped %lu drained "
                 "%lu losses %lu\n",
                 posted, dropped, stats.records_read, stats.records_dropped,
                 drained, losses);
  }
  return agree;
}

/// Posts records of the kernel log with a loss now and then, drains and asks
/// for the figures at once.
bool MessageRound(bool fails) {
  xe::BatchQueue queue(16 * 1024);
  std::atomic<int> under_way = 0;
  std::atomic<bool> twice = false;
  std::unique_ptr<xe::FakeMessageDevice> device;
  if (xe::FakeMessageDevice::Open(&device)) {
    return false;
  }
  xe::FakeMessageDevice *const fake = device.get();
  xe::MessageThread reader(
      {std::move(device), std::make_unique<xe::KmsgProtocol>()},
      xe::KeepFilter({"xe "}), &queue,
      [&] { twice = twice || under_way++ != 0; });
  if (reader.Start()) {
    return false;
  }

  std::atomic<bool> done = false;
  // Plays another environment's thread: only looks.
  std::thread observer([&] {
    while (!done) {
      const xe::MessageStats stats = reader.Stats();
      twice =
          twice || stats.read != stats.foreign + stats.unwanted + stats.kept;
    }
  });
  uint64_t drained = 0;
  std::vector<uint8_t> target(xe::kMinDrainBytes);
  const auto drain = [&] {
    while (const size_t size = queue.Drain(target)) {
      for (size_t at = 0; at < size; drained++) {
        xe::BatchHeader header;
        std::memcpy(&header, target.data() + at, sizeof(header));
        at += (sizeof(header) + header.length + 7) / 8 * 8;
      }
    }
  };
  // Plays JavaScript. Every tenth number is left out, and every seventh record
  // is somebody else's.
  uint64_t posted = 0;
  uint64_t sequence = 0;
  for (int i = 0; i < 10 * kPosts; i++) {
    char line[64];
    sequence += i % 10 == 9 ? 2 : 1;
    const int length = std::snprintf(line, sizeof(line), "%d,%lu,1,-;xe %d",
                                     i % 7 == 6 ? 14 : 6, sequence, i);
    while (!fake->Post({reinterpret_cast<const uint8_t *>(line),
                        static_cast<size_t>(length)},
                       0)) {
      std::this_thread::yield();
    }
    posted++;
    if (under_way > 0) {
      under_way--;
      if (queue.BeginWakeUp() && i % 3 == 0) {
        drain();
      }
    }
  }
  if (fails) {
    while (!fake->PostError(ENODEV, 0)) {
      std::this_thread::yield();
    }
    while (!reader.Stats().failure) {
      std::this_thread::yield();
    }
  } else {
    while (reader.Stats().read < posted) {
      std::this_thread::yield();
    }
  }
  done = true;
  observer.join();
  reader.Stop();
  drain();

  const xe::MessageStats stats = reader.Stats();
  const bool agree =
      !twice && stats.read == posted && stats.foreign == posted / 7 &&
      stats.missing + posted == sequence &&
      stats.kept == drained + queue.Stats().records_dropped;
  if (!agree) {
    std::fprintf(stderr,
                 "posted %lu read %lu foreign %lu missing %lu kept %lu drained "
                 "%lu dropped %lu\n",
                 posted, stats.read, stats.foreign, stats.missing, stats.kept,
                 drained, queue.Stats().records_dropped);
  }
  return agree;
}

} // namespace

int main() {
  for (int round = 0; round < kRounds; round++) {
    if (!Round(round % 2 == 0) || !MessageRound(round % 2 == 0)) {
      return EXIT_FAILURE;
    }
  }
  return EXIT_SUCCESS;
}
