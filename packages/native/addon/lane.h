// The packets of one track as all its viewers share them, bounded in number, bytes and age.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice {

struct Track;

struct LanePacket {
  // -1: the place is empty.
  int64_t sequence = -1;
  std::shared_ptr<uint8_t[]> block;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  uint32_t timestamp = 0;
  double atMs = 0;
  // -1: has none.
  int16_t orientation = -1;
  bool marker = false;
  bool startPoint = false;

  const uint8_t* payload() const { return block.get() + offset; }
};

struct LaneOptions {
  uint32_t maxPackets;
  uint32_t maxBytes;
  double maxAgeMs;
  // Never waits for pacing: sound.
  bool prompt;
};

class Lane {
 public:
  static constexpr size_t kLate = 64;
  explicit Lane(const LaneOptions& options);
  // Takes a packet in; false for one that is too old or known. Late ones are remembered for those who passed them.
  bool append(LanePacket&& packet);
  // A lane that has had no packet begins with that one, even if it is lost.
  void expect(int64_t sequence);
  // The kept packet of that number, or null.
  const LanePacket* at(int64_t sequence) const;
  int64_t first() const { return first_; }
  int64_t end() const { return end_; }
  // The newest start point that is kept, or -1.
  int64_t startPoint() const { return start_ >= first_ ? start_ : -1; }
  const LaneOptions& options() const { return options_; }
  // Late packets are counted; the number of one is kept for the newest of them.
  uint64_t lateEnd() const { return lateEnd_; }
  int64_t late(uint64_t at) const { return late_[at % kLate]; }

  std::vector<Track*> followers;

 private:
  void dropBefore(int64_t sequence);
  LaneOptions options_;
  std::vector<LanePacket> ring_;
  bool hasBegun_ = false;
  int64_t first_ = 0;
  int64_t end_ = 0;
  int64_t start_ = -1;
  uint64_t bytes_ = 0;
  int64_t late_[kLate] = {};
  uint64_t lateEnd_ = 0;
};

}  // namespace sluice
