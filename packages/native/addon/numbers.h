// Numbers that come from JavaScript, as integers that are in range.
#pragma once
#include <cstdint>

#include "peer.h"

namespace sluice {

constexpr int64_t kMaxNumber = (int64_t{1} << 53) - 1;

// The integer of a double; `otherwise` for what is not within the bounds or not a number.
inline int64_t integer(double value, int64_t low, int64_t high, int64_t otherwise) {
  const bool isWithin = value >= static_cast<double>(low) && value <= static_cast<double>(high);
  return isWithin ? static_cast<int64_t>(value) : otherwise;
}

// The low bits of an integer that may be negative.
inline uint32_t lowBits(double value) { return static_cast<uint32_t>(integer(value, -kMaxNumber, kMaxNumber, 0)); }

constexpr size_t kFormatFields = 9;

// A format as `packFormat` of the TypeScript side lays it out.
inline RtpFormat formatOf(const double* fields) {
  RtpFormat format;
  format.ssrc = lowBits(fields[0]);
  format.payloadType = static_cast<uint8_t>(lowBits(fields[1]) & 0x7f);
  format.timestampOffset = lowBits(fields[2]);
  format.transportSequenceId = static_cast<uint8_t>(lowBits(fields[3]));
  format.sendTimeId = static_cast<uint8_t>(lowBits(fields[4]));
  format.orientationId = static_cast<uint8_t>(lowBits(fields[5]));
  format.isVp8 = fields[6] != 0;
  format.pictureIdOffset = static_cast<uint16_t>(lowBits(fields[7]));
  format.tl0Offset = static_cast<uint8_t>(lowBits(fields[8]));
  return format;
}

}  // namespace sluice
