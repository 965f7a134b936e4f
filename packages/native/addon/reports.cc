// What JavaScript asks for: where tracks stand, what left, counters.
#include <algorithm>
#include <iterator>

#include "engine.h"

namespace sluice {

bool Engine::track(double peerId, uint32_t ssrc, bool ends, TrackReport& report) {
  const std::lock_guard guard(state_);
  takeInbox();
  Peer* follower = livePeer(peerId);
  Track* track = follower == nullptr ? nullptr : follower->track(ssrc);
  if (track == nullptr) return false;
  const LanePacket* next = track->lane == nullptr ? nullptr : track->lane->at(track->cursor);
  const double lagMs = next == nullptr ? 0 : nowMs() - std::max(next->atMs, track->sinceMs);
  report = {track->cursor,     track->lastNumber, track->lastTimestamp, track->packets,     track->bytes, track->drops,
            track->keyFrameMs, track->offset,     track->segment,       track->awaitsStart, lagMs};
  if (!ends) return true;
  detach(*track);
  auto& tracks = follower->tracks;
  tracks.erase(std::find_if(tracks.begin(), tracks.end(), [&](const auto& one) { return one.get() == track; }));
  return true;
}

size_t Engine::sentSince(double id, int64_t number, double* out, size_t places) {
  const std::lock_guard guard(state_);
  Peer* found = livePeer(id);
  if (found == nullptr) return 0;
  constexpr size_t kFields = 4;
  const SentHistory& history = found->history;
  size_t count = 0;
  for (int64_t at = std::max(number, history.first()); at < history.next() && (count + 1) * kFields <= places; at++) {
    double* fields = out + count * kFields;
    fields[0] = static_cast<double>(at);
    fields[1] = history.sentMs(at);
    fields[2] = history.bytes(at);
    fields[3] = history.mark(at);
    count++;
  }
  return count;
}

bool Engine::peerStats(double id, double* out, size_t places) {
  const std::lock_guard guard(state_);
  Peer* found = livePeer(id);
  if (found == nullptr) return false;
  const SrtpReceiver& receiver = found->receiver;
  const double values[] = {static_cast<double>(found->packets),
                           static_cast<double>(found->bytes),
                           static_cast<double>(found->dropped),
                           static_cast<double>(found->unreachable),
                           static_cast<double>(found->sender.refused),
                           static_cast<double>(found->received),
                           static_cast<double>(found->receivedBytes),
                           static_cast<double>(receiver.malformed),
                           static_cast<double>(receiver.unauthentic),
                           static_cast<double>(receiver.replayed),
                           static_cast<double>(found->history.next())};
  std::copy_n(values, std::min(places, std::size(values)), out);
  return true;
}

void Engine::stats(double* out, size_t places) {
  const std::lock_guard guard(state_);
  uint64_t refused = refused_;
  uint64_t rejected = rejected_;
  for (const PeerSlot& slot : peers_) {
    if (slot.peer == nullptr) continue;
    const SrtpReceiver& receiver = slot.peer->receiver;
    refused += slot.peer->sender.refused;
    rejected += receiver.malformed + receiver.unauthentic + receiver.replayed;
  }
  const double values[] = {static_cast<double>(sent_.packets),
                           static_cast<double>(sent_.bytes),
                           static_cast<double>(sent_.messages),
                           static_cast<double>(sent_.syscalls),
                           static_cast<double>(sent_.again),
                           static_cast<double>(sent_.dropped),
                           static_cast<double>(sent_.unreachable),
                           static_cast<double>(sent_.sentSingly),
                           static_cast<double>(refused),
                           static_cast<double>(resendMisses_),
                           static_cast<double>(laneDrops_),
                           static_cast<double>(received_),
                           static_cast<double>(receivedBytes_),
                           static_cast<double>(incomingDropped_),
                           static_cast<double>(kernelDropped_),
                           static_cast<double>(rejected),
                           static_cast<double>(queuedBytes_),
                           static_cast<double>(peerCount_),
                           static_cast<double>(laneCount_),
                           gso_ ? 1.0 : 0.0};
  std::copy_n(values, std::min(places, std::size(values)), out);
}

}  // namespace sluice
