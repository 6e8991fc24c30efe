#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

/// The little a byte mover has to know about notification records: how long one is, and the two
/// kinds the kernel never filters. include/uapi/linux/watch_queue.h, Linux 7.2; linux/uapi checks
/// these numbers against the structures. Everything else about records is TypeScript's.
namespace xe::record {

inline constexpr size_t kHeaderBytes = 8;
inline constexpr size_t kMaxBytes = 127;
inline constexpr uint32_t kTypeMeta = 0;
inline constexpr uint32_t kSubtypeRemoval = 0;
inline constexpr uint32_t kSubtypeLoss = 1;

/// The fixed first eight bytes of every record.
struct Header {
  uint32_t type_and_subtype;  // type in the low 24 bits, subtype in the high 8
  uint32_t info;              // length in bits 0..6, watch id in bits 8..15

  uint32_t type() const { return type_and_subtype & 0xffffff; }
  uint32_t subtype() const { return type_and_subtype >> 24; }
  size_t length() const { return info & 0x7f; }
  uint32_t watch_id() const { return (info >> 8) & 0xff; }
};
static_assert(sizeof(Header) == kHeaderBytes);

/// Reads the header at the start of `bytes`, which holds at least kHeaderBytes.
inline Header ReadHeader(const uint8_t* bytes) {
  Header header;
  std::memcpy(&header, bytes, sizeof(header));
  return header;
}

/// Length of the record at the start of `bytes`, or 0 when no whole record is there.
inline size_t WholeLength(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) {
    return 0;
  }
  const size_t length = ReadHeader(bytes.data()).length();
  return length >= kHeaderBytes && length <= bytes.size() ? length : 0;
}

/// Number of records in `bytes`. A length that cannot be ends the walk, and the rest counts as one.
inline uint64_t Count(std::span<const uint8_t> bytes) {
  uint64_t count = 0;
  while (!bytes.empty()) {
    const size_t length = WholeLength(bytes);
    count++;
    if (length == 0) {
      break;
    }
    bytes = bytes.subspan(length);
  }
  return count;
}

}  // namespace xe::record
