// The thread: waits for the socket, for JavaScript and for time, and serves them.
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <utility>

#include "engine.h"

namespace sluice {
namespace {

constexpr long kTickNs = 2'000'000;
constexpr double kClosingMs = 50;
constexpr size_t kBatch = 32;
// Of a jumbo frame; what is longer is none of ours.
constexpr size_t kDatagramBytes = 9216;
// Datagrams that are read before something is sent again.
constexpr int kBatchesInARow = 8;
// Of records that wait for JavaScript.
constexpr size_t kMaxRecords = 32768;
// Reports and feedback of many peers are handed to JavaScript together: what is not urgent waits so long for something that
// is.
constexpr double kReportsMs = 10;
// Where little comes at a time, but all the time, as feedback of many peers does, it is read no more often than this.
constexpr double kReadIntervalMs = 2;
constexpr double kLeastRestMs = 0.2;

double monotonicMs() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// What a compound packet (RFC 3550 §6.1) has in it.
struct RtcpContent {
  // Feedback on transport-wide numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
  bool hasTransportFeedback = false;
  // More than reports and that feedback, which come all the time: requests, goodbyes.
  bool isUrgent = false;
};

RtcpContent contentOf(const uint8_t* packet, size_t length) {
  constexpr uint8_t kSenderReport = 200;
  constexpr uint8_t kDescription = 202;
  constexpr uint8_t kTransportFeedback = 205;
  constexpr uint8_t kExtendedReport = 207;
  RtcpContent content;
  for (size_t at = 0; at + 4 <= length; at += 4 + 4u * readU16(packet + at + 2)) {
    const uint8_t type = packet[at + 1];
    const bool isFeedback = type == kTransportFeedback && (packet[at] & 0x1f) == 15;
    const bool isReport = (type >= kSenderReport && type <= kDescription) || type == kExtendedReport;
    content.hasTransportFeedback |= isFeedback;
    content.isUrgent |= !isFeedback && !isReport;
  }
  return content;
}

}  // namespace

struct Engine::ReceiveBuffers {
  alignas(8) uint8_t data[kBatch][kDatagramBytes];
  alignas(cmsghdr) uint8_t control[kBatch][CMSG_SPACE(sizeof(uint32_t))];
  sockaddr_storage from[kBatch];
  iovec parts[kBatch];
  mmsghdr headers[kBatch];
};

Engine::Engine(const EngineOptions& options, std::function<void()> wake)
    : options_(options), wake_(std::move(wake)) {}

Engine::~Engine() { close(); }

double Engine::nowMs() const { return monotonicMs() - options_.clockOffsetMs; }

void Engine::run() {
  // What `top -H` shows.
  pthread_setname_np(pthread_self(), "sluice-send");
  receive_ = std::make_unique<ReceiveBuffers>();
  epoll_event events[4];
  while (!stop_) {
    bool hasMore = false;
    bool waits = false;
    {
      const std::lock_guard guard(state_);
      chunkMs_ = nowMs();
      takeInbox();
      if (!isBlocked_) hasMore = fill(chunkMs_);
      waits = waiting_.head() != nullptr;
    }
    if (!isBlocked_) flush();
    setTimer(waits);
    if (toldLate_ && nowMs() >= tellMs_) tellNow();
    const bool hasRested = !hasMore && !isBlocked_ && rest();
    const int count = epoll_wait(epoll_, events, 4, hasRested ? 0 : waitMs(hasMore));
    for (int i = 0; i < count; i++) {
      const int fd = events[i].data.fd;
      uint64_t ignored;
      if (fd == fd_) {
        clearError(events[i].events);
        if ((events[i].events & EPOLLOUT) != 0 && isBlocked_) flush();
        if ((events[i].events & EPOLLIN) != 0) receive();
      } else if (fd == event_) {
        if (read(event_, &ignored, sizeof ignored) > 0) signalled_ = false;
      } else if (read(timer_, &ignored, sizeof ignored) > 0) {
        const std::lock_guard guard(state_);
        wakeWaiting(nowMs());
      }
    }
    if (isBlocked_ && nowMs() - blockedMs_ > options_.maxQueueMs) flush();
  }
  drain();
  receive_.reset();
}

// An error of the socket is told again and again until it is read. Nothing follows from it.
void Engine::clearError(uint32_t events) {
  int error = 0;
  socklen_t length = sizeof error;
  if ((events & EPOLLERR) != 0) getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
}

// How long nothing may happen; -1 is for ever.
int Engine::waitMs(bool hasMore) const {
  double untilMs = -1;
  if (isBlocked_) untilMs = blockedMs_ + options_.maxQueueMs;
  else if (hasMore) return 0;
  if (toldLate_) untilMs = untilMs < 0 ? tellMs_ : std::min(untilMs, tellMs_);
  return untilMs < 0 ? -1 : static_cast<int>(std::max(1.0, untilMs - nowMs() + 1));
}

// Where something was read a moment ago, and a moment before that, what comes next is left to gather: each waking of a
// thread costs as much as reading several datagrams. Whatever is to be sent ends that. False when there was no need.
bool Engine::rest() {
  const double leftMs = readMs_ + kReadIntervalMs - nowMs();
  if (!readsOften_ || leftMs < kLeastRestMs) return false;
  pollfd others[] = {{event_, POLLIN, 0}, {timer_, POLLIN, 0}};
  const timespec time{0, static_cast<long>(leftMs * 1e6)};
  ppoll(others, 2, &time, nullptr);
  return true;
}

// JavaScript is told what waits for it, unless it has taken it meanwhile.
void Engine::tellNow() {
  toldLate_ = false;
  {
    const std::lock_guard guard(incomingLock_);
    if (isTold_ || incoming_.records.empty()) return;
    isTold_ = true;
  }
  wake_();
}

// Sends what is written. What the system does not take for too long is lost, and what comes after it has its turn.
void Engine::flush() {
  if (outgoing_->flush()) {
    isBlocked_ = false;
  } else if (!isBlocked_) {
    isBlocked_ = true;
    blockedMs_ = nowMs();
  } else if (nowMs() - blockedMs_ > options_.maxQueueMs) {
    outgoing_->giveUp();
    isBlocked_ = false;
  }
  watchWritable(isBlocked_);
  const std::lock_guard guard(state_);
  takeFailures();
}

// The end: what was submitted leaves, as goodbyes are among it, unless the system is slow to take it.
void Engine::drain() {
  const double untilMs = nowMs() + kClosingMs;
  bool hasMore = true;
  while (hasMore && !isBlocked_ && nowMs() < untilMs) {
    {
      const std::lock_guard guard(state_);
      chunkMs_ = nowMs();
      takeInbox();
      hasMore = !runCommands(chunkMs_);
    }
    flush();
  }
}

void Engine::watchWritable(bool on) {
  if (on == watchesWritable_) return;
  watchesWritable_ = on;
  epoll_event event{};
  event.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.fd = fd_;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event);
}

void Engine::setTimer(bool on) {
  if (on == timerIsOn_) return;
  timerIsOn_ = on;
  itimerspec time{};
  if (on) time.it_interval.tv_nsec = time.it_value.tv_nsec = kTickNs;
  timerfd_settime(timer_, 0, &time, nullptr);
}

void Engine::receive() {
  const double now = nowMs();
  readsOften_ = now - readMs_ < 2 * kReadIntervalMs;
  readMs_ = now;
  for (int i = 0; i < kBatchesInARow; i++)
    if (!receiveBatch()) return;
}

// True when there may be more.
bool Engine::receiveBatch() {
  ReceiveBuffers& buffers = *receive_;
  for (size_t i = 0; i < kBatch; i++) {
    buffers.parts[i] = {buffers.data[i], kDatagramBytes};
    msghdr& header = buffers.headers[i].msg_hdr;
    header = {};
    header.msg_name = &buffers.from[i];
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_iov = &buffers.parts[i];
    header.msg_iovlen = 1;
    header.msg_control = buffers.control[i];
    header.msg_controllen = sizeof buffers.control[i];
  }
  const int count = recvmmsg(fd_, buffers.headers, kBatch, MSG_DONTWAIT, nullptr);
  if (count <= 0) return false;
  const double now = nowMs();
  const std::lock_guard guard(state_);
  for (int i = 0; i < count; i++) {
    msghdr& header = buffers.headers[i].msg_hdr;
    const size_t bytes = buffers.headers[i].msg_len;
    const cmsghdr* item = CMSG_FIRSTHDR(&header);
    if (item != nullptr && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SO_RXQ_OVFL) {
      uint32_t dropped;
      memcpy(&dropped, CMSG_DATA(item), sizeof dropped);
      kernelDropped_ = dropped;
    }
    received_++;
    receivedBytes_ += bytes;
    if ((header.msg_flags & MSG_TRUNC) != 0) rejected_++;
    else receiveOne(buffers.data[i], bytes, Address::of(buffers.from[i]), now);
  }
  return count == static_cast<int>(kBatch);
}

// Hot path: once per datagram that comes, with the lock.
void Engine::receiveOne(uint8_t* data, size_t bytes, const Address& from, double nowMs) {
  const auto route = routes_.find(from);
  Peer* sender = route == routes_.end() ? nullptr : peer(route->second);
  const double id = sender == nullptr ? 0 : sender->id;
  if (sender != nullptr) {
    sender->received++;
    sender->receivedBytes += bytes;
  }
  // RFC 7983 §7: 128 to 191 is RTP or RTCP, which RFC 5761 §4 tells apart.
  const bool isMedia = bytes >= 2 && data[0] >= 128 && data[0] <= 191;
  if (!isMedia || sender == nullptr || !sender->hasReceiver)
    return hand(RecordKind::kRaw, id, from, data, bytes, nowMs);
  openMedia(*sender, data, bytes, from, nowMs);
}

void Engine::openMedia(Peer& sender, uint8_t* data, size_t bytes, const Address& from, double nowMs) {
  const bool isRtcp = data[1] >= 192 && data[1] <= 223;
  if (!isRtcp) {
    const size_t opened = sender.receiver.rtp(data, bytes);
    if (opened > 0) hand(RecordKind::kRtp, sender.id, from, data, opened, nowMs);
    return;
  }
  const size_t opened = sender.receiver.rtcp(data, bytes);
  if (opened == 0) return;
  const RtcpContent content = contentOf(data, opened);
  if (content.hasTransportFeedback) tellSent(sender, nowMs);
  // What is taken in from elsewhere is told at once: this is not the thread then, which would have to be woken for it.
  hand(RecordKind::kRtcp, sender.id, from, data, opened, nowMs, content.isUrgent || from.isNone());
}

void Engine::hand(RecordKind kind, double peer, const Address& from, const uint8_t* data, size_t bytes, double nowMs,
                  bool isUrgent) {
  // IPv4 as one number that fits a double; IPv6 as bytes before the datagram.
  double address = -1;
  uint8_t joined[Address::kBytes + kDatagramBytes];
  if (from.isNone() || from.isIpv4()) {
    address = from.isNone() ? 0 : static_cast<double>(readU32(from.bytes + 12)) * 65536 + from.port();
    return addRecord({static_cast<double>(kind), peer, address, 0, static_cast<double>(bytes), nowMs}, data, bytes, isUrgent);
  }
  memcpy(joined, from.bytes, Address::kBytes);
  memcpy(joined + Address::kBytes, data, bytes);
  addRecord({static_cast<double>(kind), peer, address, Address::kBytes, static_cast<double>(bytes), nowMs}, joined,
            bytes + Address::kBytes, isUrgent);
}

// The fourth number of a record with data is where they begin, and is moved to where they are among all.
void Engine::addRecord(const double (&record)[Incoming::kFields], const uint8_t* data, size_t bytes, bool isUrgent) {
  bool tells = false;
  {
    const std::lock_guard guard(incomingLock_);
    const size_t count = incoming_.records.size() / Incoming::kFields;
    const bool isFull = incoming_.data.size() + bytes > options_.maxIncomingBytes || count >= kMaxRecords;
    // What became of a track has room when datagrams have none any more.
    if (data == nullptr ? count >= 2 * kMaxRecords : isFull) {
      incomingDropped_++;
      return;
    }
    const size_t at = incoming_.records.size();
    incoming_.records.insert(incoming_.records.end(), record, record + Incoming::kFields);
    if (data != nullptr) incoming_.records[at + 3] += static_cast<double>(incoming_.data.size());
    if (data != nullptr) incoming_.data.insert(incoming_.data.end(), data, data + bytes);
    tells = isUrgent && !isTold_;
    isTold_ |= isUrgent;
    // It goes with what is urgent, or in a moment.
    if (!isTold_ && !toldLate_) {
      toldLate_ = true;
      tellMs_ = nowMs() + kReportsMs;
    }
  }
  if (tells) wake_();
}

// A record with the first number and how many there are, then two numbers for each packet, up to whole records.
void Engine::tellSent(Peer& peer, double nowMs) {
  SentHistory& history = peer.history;
  const int64_t first = history.untold();
  const auto count = static_cast<size_t>(history.next() - first);
  if (count == 0) return;
  {
    const std::lock_guard guard(incomingLock_);
    std::vector<double>& records = incoming_.records;
    const size_t perRecord = Incoming::kFields / 2;
    const size_t more = 1 + (count + perRecord - 1) / perRecord;
    // It is told with the next feedback then.
    if (records.size() / Incoming::kFields + more > kMaxRecords) return;
    const size_t at = records.size();
    records.resize(at + more * Incoming::kFields);
    const double head[] = {static_cast<double>(RecordKind::kSent), peer.id, static_cast<double>(first),
                           static_cast<double>(count), 0, nowMs};
    std::copy_n(head, Incoming::kFields, &records[at]);
    double* out = &records[at + Incoming::kFields];
    for (int64_t number = first; number < history.next(); number++) {
      *out++ = history.sentMs(number);
      *out++ = history.mark(number) * 65536.0 + std::min<uint32_t>(history.bytes(number), 65535);
    }
  }
  history.tellAll();
}

}  // namespace sluice
