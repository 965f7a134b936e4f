// Headers of RTP packets as the TypeScript writer makes them, byte for byte.
#pragma once
#include "peer.h"

namespace sluice {

constexpr double kSendTimeTicksPerMs = 262.144;
// Fixed header and three extensions in either form.
constexpr size_t kMaxHeaderBytes = 36;

// Seconds modulo 64 with 18 bits of fraction.
inline void writeSendTime(uint8_t* at, double nowMs) {
  const auto ms = static_cast<uint64_t>(nowMs / 64000) * 64000.0;
  const auto ticks = static_cast<uint32_t>((nowMs - ms) * kSendTimeTicksPerMs);
  at[0] = static_cast<uint8_t>(ticks >> 16);
  writeU16(at + 1, ticks);
}

struct HeaderValues {
  uint16_t sequence;
  uint32_t timestamp;
  bool marker;
  int orientation;
  uint16_t transportNumber;
  double nowMs;
};

namespace detail {
struct ExtensionWriter {
  uint8_t* at;
  bool isLong;
  uint8_t* element(uint8_t id, size_t bytes) {
    if (isLong) {
      *at++ = id;
      *at++ = static_cast<uint8_t>(bytes);
    } else {
      *at++ = static_cast<uint8_t>(id << 4 | (bytes - 1));
    }
    uint8_t* value = at;
    at += bytes;
    return value;
  }
};
}  // namespace detail

// Writes the header and gives its length. The one-byte form of RFC 8285 where ids fit into it, else the two-byte form.
inline size_t writeHeader(uint8_t* packet, const RtpFormat& format, const HeaderValues& values) {
  packet[0] = 0x80;
  packet[1] = static_cast<uint8_t>((values.marker ? 0x80 : 0) | format.payloadType);
  writeU16(packet + 2, values.sequence);
  writeU32(packet + 4, values.timestamp);
  writeU32(packet + 8, format.ssrc);
  const uint8_t orientationId = values.orientation < 0 ? 0 : format.orientationId;
  if (format.transportSequenceId == 0 && format.sendTimeId == 0 && orientationId == 0) return 12;
  packet[0] |= 0x10;
  const bool isLong = format.transportSequenceId > 14 || format.sendTimeId > 14 || orientationId > 14;
  detail::ExtensionWriter writer{packet + 16, isLong};
  if (format.transportSequenceId != 0)
    writeU16(writer.element(format.transportSequenceId, 2), values.transportNumber);
  if (format.sendTimeId != 0) writeSendTime(writer.element(format.sendTimeId, 3), values.nowMs);
  if (orientationId != 0) *writer.element(orientationId, 1) = static_cast<uint8_t>(values.orientation);
  while ((writer.at - packet) % 4 != 0) *writer.at++ = 0;
  const auto length = static_cast<size_t>(writer.at - packet);
  writeU16(packet + 12, isLong ? 0x1000 : 0xbede);
  writeU16(packet + 14, static_cast<uint32_t>(length - 16) / 4);
  return length;
}

// Moves PictureID and TL0PICIDX of a VP8 payload descriptor (RFC 7741 §4.2), where it has them.
inline void moveVp8Numbers(uint8_t* payload, size_t bytes, const RtpFormat& format) {
  if (bytes < 4 || (payload[0] & 0x80) == 0) return;
  size_t at = 2;
  if ((payload[1] & 0x80) != 0) {
    if ((payload[at] & 0x80) != 0) {
      const uint32_t id = (readU16(payload + at) & 0x7fffu) + format.pictureIdOffset;
      writeU16(payload + at, 0x8000u | (id & 0x7fff));
      at += 2;
    } else {
      payload[at] = static_cast<uint8_t>((payload[at] + format.pictureIdOffset) & 0x7f);
      at++;
    }
  }
  if ((payload[1] & 0x40) != 0 && at < bytes) payload[at] = static_cast<uint8_t>(payload[at] + format.tl0Offset);
}

}  // namespace sluice
