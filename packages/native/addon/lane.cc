#include "lane.h"

#include <algorithm>

namespace sluice {

Lane::Lane(const LaneOptions& options) : options_(options) {
  size_t size = 16;
  while (size < options.maxPackets) size *= 2;
  ring_.resize(size);
}

const LanePacket* Lane::at(int64_t sequence) const {
  if (sequence < first_ || sequence >= end_) return nullptr;
  const LanePacket& packet = ring_[static_cast<size_t>(sequence) % ring_.size()];
  return packet.sequence == sequence ? &packet : nullptr;
}

bool Lane::append(LanePacket&& packet) {
  const int64_t sequence = packet.sequence;
  const auto capacity = static_cast<int64_t>(options_.maxPackets);
  expect(sequence);
  if (sequence < first_ || at(sequence) != nullptr) return false;
  if (sequence < end_) {
    late_[lateEnd_++ % kLate] = sequence;
  } else {
    dropBefore(sequence + 1 - capacity);
    end_ = sequence + 1;
    if (packet.startPoint) start_ = sequence;
  }
  const double oldestMs = packet.atMs - options_.maxAgeMs;
  bytes_ += packet.bytes;
  ring_[static_cast<size_t>(sequence) % ring_.size()] = std::move(packet);
  // The newest stays in any case.
  while (first_ < end_ - 1) {
    // Places of packets that were lost stay as long as those behind them.
    int64_t oldest = first_;
    while (at(oldest) == nullptr) oldest++;
    if (oldest == end_ - 1 || (bytes_ <= options_.maxBytes && at(oldest)->atMs >= oldestMs)) break;
    dropBefore(oldest + 1);
  }
  return true;
}

void Lane::expect(int64_t sequence) {
  if (hasBegun_) return;
  hasBegun_ = true;
  first_ = end_ = sequence;
}

void Lane::dropBefore(int64_t sequence) {
  const int64_t to = std::min(sequence, end_);
  // A leap over all that is kept costs no more than what is kept.
  for (; first_ < to && bytes_ > 0; first_++) {
    LanePacket& packet = ring_[static_cast<size_t>(first_) % ring_.size()];
    if (packet.sequence != first_) continue;
    bytes_ -= packet.bytes;
    packet = LanePacket{};
  }
  first_ = std::max(first_, sequence);
}

}  // namespace sluice
