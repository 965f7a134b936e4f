// What the thread sends: batches that JavaScript made first, then sound, then pictures as their pacing allows.
#include <cstring>

#include "engine.h"
#include "numbers.h"
#include "rtp.h"

namespace sluice {
namespace {

constexpr size_t kCommandHeaderBytes = 24;
constexpr size_t kRawHeaderBytes = 48;
constexpr size_t kMaxDatagramBytes = 65000;
constexpr size_t kResendFields = 4 + kFormatFields;

template <typename T>
T readAs(const uint8_t* at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

void Engine::takeInbox() {
  std::vector<Submission> submissions;
  {
    const std::lock_guard guard(inboxLock_);
    submissions.swap(inbox_);
  }
  for (Submission& submission : submissions) {
    if (submission.commands != nullptr) {
      commands_.push_back(std::move(submission));
      continue;
    }
    queuedBytes_ -= submission.bytes;
    appendTo(submission.lane, std::move(submission.packets));
  }
}

void Engine::appendTo(double id, std::vector<LanePacket>&& packets) {
  Lane* target = lane(id);
  if (target == nullptr) return;
  bool isNew = false;
  for (LanePacket& packet : packets) isNew = target->append(std::move(packet)) || isNew;
  if (!isNew) return;
  TrackList& list = target->options().prompt ? prompt_ : pictures_;
  for (Track* track : target->followers)
    if (track->state == TrackState::kIdle) list.push(track);
}

// Hot path: once per chunk, with the lock.
bool Engine::fill(double nowMs) {
  if (!runCommands(nowMs)) return true;
  if (!sendTracks(prompt_, nowMs)) return true;
  return !sendTracks(pictures_, nowMs);
}

// True when all of them are done.
bool Engine::runCommands(double nowMs) {
  diverted_ = 0;
  while (!commands_.empty()) {
    Submission& batch = commands_.front();
    const bool isLate = nowMs - batch.atMs > options_.maxQueueMs;
    while (batch.at + 16 <= batch.bytes) {
      const uint8_t* command = batch.commands.get() + batch.at;
      const auto kind = readAs<uint16_t>(command);
      const auto size = readAs<uint32_t>(command + 4);
      if (size < 16 || size % 8 != 0 || batch.at + size > batch.bytes) {
        refused_++;
        break;
      }
      if (!runCommand(command, kind, size, isLate)) return false;
      batch.at += size;
    }
    queuedBytes_ -= batch.bytes;
    commands_.pop_front();
  }
  return true;
}

// False when there is no room for what it sends.
bool Engine::runCommand(const uint8_t* command, uint32_t kind, size_t size, bool isLate) {
  const auto id = readAs<double>(command + 8);
  if (kind == static_cast<uint32_t>(CommandKind::kRemove)) {
    forgetPeer(id);
    return true;
  }
  const size_t bytes = size < kCommandHeaderBytes ? 0 : readAs<uint32_t>(command + 16);
  if (bytes > kMaxDatagramBytes) return true;
  if (kind == static_cast<uint32_t>(CommandKind::kRaw)) {
    if (size < kRawHeaderBytes || bytes > size - kRawHeaderBytes) return true;
    Address to;
    memcpy(to.bytes, command + kCommandHeaderBytes, Address::kBytes);
    return sendRaw(to, command + kRawHeaderBytes, bytes);
  }
  Peer* to = peer(id);
  if (to == nullptr || !to->hasWay() || size < kCommandHeaderBytes || bytes > size - kCommandHeaderBytes)
    return true;
  if (kind == static_cast<uint32_t>(CommandKind::kRtcp)) return sendRtcp(*to, command + kCommandHeaderBytes, bytes);
  if (isLate) {
    to->dropped++;
    outgoing_->counters.dropped++;
    return true;
  }
  if (kind == static_cast<uint32_t>(CommandKind::kRtp)) return sendRtp(*to, command, bytes, chunkMs_);
  if (kind != static_cast<uint32_t>(CommandKind::kResend) || size < kCommandHeaderBytes + kResendFields * 8) return true;
  double fields[kResendFields];
  memcpy(fields, command + kCommandHeaderBytes, sizeof fields);
  return resend(*to, fields, chunkMs_);
}

bool Engine::sendRtp(Peer& to, const uint8_t* command, size_t bytes, double nowMs) {
  const uint8_t* data = command + kCommandHeaderBytes;
  const size_t transportAt = readAs<uint16_t>(command + 20);
  const size_t sendTimeAt = readAs<uint16_t>(command + 22);
  const size_t header = rtpHeaderBytes(data, bytes);
  SentSource* source = header == 0 ? nullptr : to.sender.source(readU32(data + 8));
  if (source == nullptr || transportAt + 2 > header || sendTimeAt + 3 > header) {
    to.sender.refused++;
    return true;
  }
  uint8_t* out = reserve(bytes + kMaxOverhead);
  if (out == nullptr) return false;
  memcpy(out, data, bytes);
  if (transportAt > 0) writeU16(out + transportAt, static_cast<uint32_t>(to.history.next()));
  if (sendTimeAt > 0) writeSendTime(out + sendTimeAt, nowMs);
  const size_t sealed = to.sender.rtp(*source, out, header, out + header, bytes - header);
  if (sealed == 0) return true;
  account(to, out, bytes, sealed);
  if (transportAt > 0) noteNumber(to, bytes, readAs<uint16_t>(command + 2), nowMs);
  return true;
}

bool Engine::sendRtcp(Peer& to, const uint8_t* data, size_t bytes) {
  uint8_t* out = reserve(bytes + kMaxOverhead);
  if (out == nullptr) return false;
  memcpy(out, data, bytes);
  const size_t sealed = to.sender.rtcp(out, bytes);
  if (sealed > 0) commit(to, out, sealed);
  return true;
}

bool Engine::sendRaw(const Address& to, const uint8_t* data, size_t bytes) {
  uint8_t* out = reserve(bytes);
  if (out == nullptr) return false;
  memcpy(out, data, bytes);
  outgoing_->commit(0, to, bytes);
  return true;
}

bool Engine::resend(Peer& to, const double* fields, double nowMs) {
  const Lane* from = lane(fields[0]);
  const LanePacket* packet = from == nullptr ? nullptr : from->at(integer(fields[1], 0, kMaxNumber, -1));
  const RtpFormat format = formatOf(fields + 4);
  SentSource* source = packet == nullptr ? nullptr : to.sender.source(format.ssrc);
  if (source == nullptr) {
    resendMisses_++;
    return true;
  }
  uint8_t* out = reserve(packet->bytes + kMaxHeaderBytes + 2 + kMaxOverhead);
  if (out == nullptr) return false;
  const int64_t number = integer(fields[2], 0, kMaxNumber, 0);
  const int64_t original = integer(fields[3], 0, kMaxNumber, -1);
  const size_t sealed = write(to, *source, format, *packet, number, original, nowMs, out);
  if (sealed == 0) return true;
  const size_t plainBytes = sealed - rtpTagBytes(to.sender.profile());
  account(to, out, plainBytes, sealed);
  if (format.transportSequenceId != 0) noteNumber(to, plainBytes, 0, nowMs);
  return true;
}

size_t Engine::write(Peer& to, SentSource& source, const RtpFormat& format, const LanePacket& packet, int64_t number,
                     int64_t originalNumber, double nowMs, uint8_t* out) {
  const auto transportNumber = static_cast<uint16_t>(to.history.next());
  const size_t header =
      writeHeader(out, format,
                  {static_cast<uint16_t>(number), packet.timestamp + format.timestampOffset, packet.marker,
                   packet.orientation, transportNumber, nowMs});
  // Encryption copies from the shared bytes, unless they are to be changed.
  if (originalNumber < 0 && !format.isVp8) return to.sender.rtp(source, out, header, packet.payload(), packet.bytes);
  size_t at = header;
  if (originalNumber >= 0) {
    writeU16(out + at, static_cast<uint32_t>(originalNumber));
    at += 2;
  }
  memcpy(out + at, packet.payload(), packet.bytes);
  if (format.isVp8) moveVp8Numbers(out + at, packet.bytes, format);
  return to.sender.rtp(source, out, header, out + header, at - header + packet.bytes);
}

uint8_t* Engine::reserve(size_t bytes) {
  // What is handed to JavaScript takes none of the room, but of the time under the lock.
  return diverted_ >= Outgoing::kPackets ? nullptr : outgoing_->reserve(bytes);
}

void Engine::commit(Peer& to, const uint8_t* sealed, size_t bytes) {
  if (!to.isDiverted) return outgoing_->commit(to.id, to.address, bytes);
  diverted_++;
  hand(RecordKind::kSealed, to.id, Address{}, sealed, bytes, chunkMs_);
}

void Engine::account(Peer& to, const uint8_t* sealed, size_t plainBytes, size_t sealedBytes) {
  commit(to, sealed, sealedBytes);
  to.packets++;
  to.bytes += plainBytes;
  to.budget.spend(plainBytes, chunkMs_);
}

void Engine::noteNumber(Peer& to, size_t plainBytes, uint16_t mark, double nowMs) {
  to.history.add(static_cast<uint32_t>(plainBytes), mark, nowMs);
}

// True when none has anything left that may be sent now.
bool Engine::sendTracks(TrackList& list, double nowMs) {
  while (Track* track = list.head()) {
    const Outcome outcome = sendTrack(*track, nowMs);
    if (outcome == Outcome::kNoRoom) return false;
    list.remove(track);
    if (outcome == Outcome::kWaits) waiting_.push(track);
  }
  return true;
}

// Hot path: once per viewer and frame, with the lock.
Engine::Outcome Engine::sendTrack(Track& track, double nowMs) {
  const Lane& lane = *track.lane;
  Peer& to = *track.peer;
  if (!to.hasWay()) return Outcome::kIdle;
  if (track.awaitsStart) {
    if (lane.startPoint() < track.cursor) return Outcome::kIdle;
    resumeAt(track, lane.startPoint(), nowMs);
  }
  if (!sendLate(track, nowMs)) return Outcome::kNoRoom;
  checkAge(track, nowMs);
  while (track.cursor < lane.end()) {
    if (track.cursor < lane.first()) {
      skipToStart(track, nowMs);
      continue;
    }
    const LanePacket* packet = lane.at(track.cursor);
    if (packet == nullptr) {
      // Lost on the way here; its number stays free for the case that it comes after all.
      track.cursor++;
      continue;
    }
    if (track.givesUp && packet->timestamp + track.format.timestampOffset != track.lastTimestamp) {
      skipToStart(track, nowMs);
      continue;
    }
    if (!lane.options().prompt && !to.budget.refill(nowMs)) return Outcome::kWaits;
    if (!sendPacket(track, *packet, nowMs)) return Outcome::kNoRoom;
    track.cursor++;
  }
  return Outcome::kIdle;
}

// Packets that came late, for those who have passed their places.
bool Engine::sendLate(Track& track, double nowMs) {
  const Lane& lane = *track.lane;
  if (lane.lateEnd() - track.lateCursor > Lane::kLate) track.lateCursor = lane.lateEnd() - Lane::kLate;
  for (; track.lateCursor < lane.lateEnd(); track.lateCursor++) {
    const int64_t sequence = lane.late(track.lateCursor);
    const LanePacket* packet = lane.at(sequence);
    if (packet == nullptr || sequence < track.segment || sequence >= track.cursor) continue;
    if (!sendPacket(track, *packet, nowMs)) return false;
  }
  return true;
}

// False when there is no room.
bool Engine::sendPacket(Track& track, const LanePacket& packet, double nowMs) {
  Peer& to = *track.peer;
  uint8_t* out = reserve(packet.bytes + kMaxHeaderBytes + kMaxOverhead);
  if (out == nullptr) return false;
  const int64_t number = packet.sequence + track.offset;
  const size_t sealed = write(to, *track.source, track.format, packet, number, -1, nowMs, out);
  if (sealed == 0) return true;
  const size_t plainBytes = sealed - rtpTagBytes(to.sender.profile());
  account(to, out, plainBytes, sealed);
  if (track.format.transportSequenceId != 0) noteNumber(to, plainBytes, 0, nowMs);
  track.packets++;
  track.bytes += packet.bytes;
  if (packet.startPoint && !track.lane->options().prompt) track.keyFrameMs = nowMs;
  if (number > track.lastNumber) {
    track.lastNumber = number;
    track.lastTimestamp = packet.timestamp + track.format.timestampOffset;
  }
  return true;
}

// A track that lags by too long gives up what waits, but for the frame that has begun to leave, and but for the newest
// start point: on a thin way there would never be a picture otherwise.
void Engine::checkAge(Track& track, double nowMs) {
  const LanePacket* next = track.lane->at(track.cursor);
  if (next == nullptr || track.givesUp || nowMs - std::max(next->atMs, track.sinceMs) <= track.maxQueueMs) return;
  const bool isBegun = track.packets > 0 && next->timestamp + track.format.timestampOffset == track.lastTimestamp;
  if (isBegun) track.givesUp = true;
  else if (track.cursor != track.lane->startPoint()) skipToStart(track, nowMs);
}

// Goes on with the newest start point that is not sent yet, or waits for the next one.
void Engine::skipToStart(Track& track, double nowMs) {
  const int64_t start = track.lane->startPoint();
  track.givesUp = false;
  track.drops++;
  laneDrops_++;
  tell(RecordKind::kDropped, track, track.cursor, track.lastNumber, nowMs);
  if (start >= track.cursor) return resumeAt(track, start, nowMs);
  track.awaitsStart = true;
  track.cursor = track.lane->end();
}

void Engine::resumeAt(Track& track, int64_t start, double nowMs) {
  track.awaitsStart = false;
  track.cursor = track.segment = start;
  track.offset = track.lastNumber + 1 - start;
  track.lateCursor = track.lane->lateEnd();
  tell(RecordKind::kResumed, track, start, track.lastNumber + 1, nowMs);
}

void Engine::wakeWaiting(double nowMs) {
  Track* track = waiting_.head();
  while (track != nullptr) {
    Track* next = track->next;
    checkAge(*track, nowMs);
    if (track->awaitsStart || track->peer->budget.refill(nowMs)) {
      waiting_.remove(track);
      pictures_.push(track);
    }
    track = next;
  }
}

void Engine::takeFailures() {
  for (const SendFailure& failure : outgoing_->failures) {
    Peer* failed = peer(failure.peer);
    if (failed != nullptr) (failure.isUnreachable ? failed->unreachable : failed->dropped) += failure.packets;
  }
  outgoing_->failures.clear();
  sent_ = outgoing_->counters;
  gso_ = outgoing_->gso();
}

void Engine::tell(RecordKind kind, const Track& track, int64_t sequence, int64_t number, double nowMs) {
  addRecord({static_cast<double>(kind), track.peer->id, static_cast<double>(track.format.ssrc),
             static_cast<double>(sequence), static_cast<double>(number), nowMs},
            nullptr, 0);
}

}  // namespace sluice
