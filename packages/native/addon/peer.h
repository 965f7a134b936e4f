// What is known of one peer: keys, address, budget, numbers, and the tracks that follow lanes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "address.h"
#include "lane.h"
#include "srtp.h"

namespace sluice {

// How packets of one track are written for one peer. Ids of header extensions are 0 where they were not negotiated.
struct RtpFormat {
  uint32_t ssrc = 0;
  uint8_t payloadType = 0;
  uint8_t transportSequenceId = 0;
  uint8_t sendTimeId = 0;
  uint8_t orientationId = 0;
  uint32_t timestampOffset = 0;
  // Added to the numbers of VP8's payload descriptor (RFC 7741 §4.2), where isVp8.
  bool isVp8 = false;
  uint16_t pictureIdOffset = 0;
  uint8_t tl0Offset = 0;
};

// What left under which transport-wide number, as far as JavaScript was not told: a ring that grows while it would overwrite
// what feedback may still name, and becomes small again.
class SentHistory {
 public:
  static constexpr size_t kLeastPackets = 64;
  static constexpr size_t kMaxPackets = 8192;
  static constexpr double kKeptMs = 1500;
  int64_t next() const { return next_; }
  int64_t first() const { return std::max(begin_, next_ - static_cast<int64_t>(sent_.size())); }
  // The oldest that JavaScript was not told of and that is kept.
  int64_t untold() const { return std::max(told_, first()); }
  double sentMs(int64_t number) const { return sent_[slot(number)].atMs; }
  uint16_t mark(int64_t number) const { return sent_[slot(number)].mark; }
  uint32_t bytes(int64_t number) const { return sent_[slot(number)].bytes; }
  void add(uint32_t bytes, uint16_t mark, double nowMs) {
    if (sent_.empty()) sent_.resize(kLeastPackets);
    const int64_t oldest = next_ - static_cast<int64_t>(sent_.size());
    const bool isNeeded = oldest >= told_ && oldest >= begin_ && nowMs - sent_[slot(next_)].atMs < kKeptMs;
    if (isNeeded && sent_.size() < kMaxPackets) grow();
    sent_[slot(next_)] = {nowMs, bytes, mark};
    next_++;
  }
  // JavaScript knows of all that left so far.
  void tellAll() {
    const bool wasFew = next_ - untold() <= static_cast<int64_t>(kLeastPackets) / 2;
    told_ = next_;
    if (!wasFew || sent_.size() <= kLeastPackets) return;
    begin_ = next_;
    std::vector<Sent>(kLeastPackets).swap(sent_);
  }

 private:
  struct Sent {
    double atMs = 0;
    uint32_t bytes = 0;
    uint16_t mark = 0;
  };
  // Sizes are powers of two.
  size_t slot(int64_t number) const { return static_cast<size_t>(number) & (sent_.size() - 1); }
  void grow() {
    std::vector<Sent> larger(sent_.size() * 2);
    for (int64_t number = first(); number < next_; number++)
      larger[static_cast<size_t>(number) % larger.size()] = sent_[slot(number)];
    sent_.swap(larger);
  }
  std::vector<Sent> sent_;
  int64_t begin_ = 1;
  int64_t told_ = 1;
  int64_t next_ = 1;
};

struct Peer;

enum class TrackState : uint8_t { kIdle, kReady, kWaiting };

// One track of a peer on its way along a lane. Holds no packet: the lane does.
struct Track {
  Peer* peer = nullptr;
  Lane* lane = nullptr;
  RtpFormat format;
  SentSource* source = nullptr;
  // Number in the lane of what is sent next.
  int64_t cursor = 0;
  // The peer's number less the lane's, for packets from `segment` on.
  int64_t offset = 0;
  int64_t segment = 0;
  uint64_t lateCursor = 0;
  int64_t lastNumber = -1;
  uint32_t lastTimestamp = 0;
  bool awaitsStart = false;
  // Gives the picture up at the end of the frame that is being sent.
  bool givesUp = false;
  double maxQueueMs = 0;
  // Nothing is late that was there before that.
  double sinceMs = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t drops = 0;
  double keyFrameMs = 0;
  // Place in one of the engine's lists.
  TrackState state = TrackState::kIdle;
  Track* previous = nullptr;
  Track* next = nullptr;
};

// Tracks in order, each in one list at most; nothing is allocated.
class TrackList {
 public:
  explicit TrackList(TrackState state) : state_(state) {}
  Track* head() const { return head_; }
  void push(Track* track) {
    track->state = state_;
    track->previous = tail_;
    track->next = nullptr;
    if (tail_ != nullptr) tail_->next = track;
    else head_ = track;
    tail_ = track;
  }
  void remove(Track* track) {
    if (track->previous != nullptr) track->previous->next = track->next;
    else head_ = track->next;
    if (track->next != nullptr) track->next->previous = track->previous;
    else tail_ = track->previous;
    track->previous = track->next = nullptr;
    track->state = TrackState::kIdle;
  }

 private:
  TrackState state_;
  Track* head_ = nullptr;
  Track* tail_ = nullptr;
};

// What may leave now: a rate with a burst; no rate is no limit.
struct Budget {
  double bytesPerMs = 0;
  double burstBytes = 0;
  double left = 0;
  double atMs = 0;
  bool isLimited() const { return bytesPerMs > 0; }
  bool refill(double nowMs) {
    if (!isLimited()) return true;
    left = std::min(burstBytes, left + bytesPerMs * (nowMs - atMs));
    atMs = nowMs;
    return left > 0;
  }
  void spend(size_t bytes, double nowMs) {
    if (!isLimited()) return;
    refill(nowMs);
    left -= static_cast<double>(bytes);
  }
};

struct Peer {
  static constexpr size_t kMaxTracks = 16;
  static constexpr size_t kMaxRoutes = 16;
  double id = 0;
  // Nothing more comes or is taken; what JavaScript gave before still leaves.
  bool isRemoved = false;
  bool hasReceiver = false;
  Address address;
  // What is sealed for it is handed to JavaScript, which knows another way.
  bool isDiverted = false;
  std::vector<Address> routes;
  SrtpSender sender;
  SrtpReceiver receiver;
  Budget budget;
  SentHistory history;
  std::vector<std::unique_ptr<Track>> tracks;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t dropped = 0;
  uint64_t unreachable = 0;
  uint64_t received = 0;
  uint64_t receivedBytes = 0;

  bool hasWay() const { return isDiverted || !address.isNone(); }
  Track* track(uint32_t ssrc) const {
    for (const auto& track : tracks)
      if (track->format.ssrc == ssrc) return track.get();
    return nullptr;
  }
};

}  // namespace sluice
