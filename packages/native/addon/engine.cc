// What JavaScript calls. All of it takes the lock for a moment, except `submit` and `push`, which only queue.
#include "engine.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <utility>

#include "numbers.h"

namespace sluice {
namespace {

constexpr double kGenerationStep = 1 << 20;
constexpr size_t kMaxPeers = 1 << 20;
constexpr size_t kMaxLanes = 1 << 16;

// Engines whose thread runs. A process that ends by exit() tears OpenSSL down while its threads go on, so that they are
// stopped before: this one list is shared by all environments of the process.
struct Running {
  std::mutex lock;
  std::set<Engine*> engines;
  static Running& all() {
    static auto* running = new Running();
    return *running;
  }
};

double idOf(uint32_t generation, size_t slot) { return generation * kGenerationStep + static_cast<double>(slot); }

template <typename Slots>
auto* slotOf(Slots& slots, double id) {
  const int64_t whole = integer(id, 0, kMaxNumber, 0);
  const auto slot = static_cast<size_t>(whole % (1 << 20));
  const auto generation = static_cast<uint64_t>(whole >> 20);
  return slot < slots.size() && slots[slot].generation == generation ? &slots[slot] : nullptr;
}

// A free slot under a new generation; null when there are too many.
template <typename Slots>
typename Slots::value_type* takeSlot(Slots& slots, std::vector<uint32_t>& free, size_t most, double& id) {
  if (free.empty()) {
    if (slots.size() >= most) return nullptr;
    free.push_back(static_cast<uint32_t>(slots.size()));
    slots.emplace_back();
  }
  const uint32_t slot = free.back();
  free.pop_back();
  slots[slot].generation++;
  id = idOf(slots[slot].generation, slot);
  return &slots[slot];
}

template <typename Slots>
void freeSlot(Slots& slots, std::vector<uint32_t>& free, typename Slots::value_type* slot) {
  // An old id must not fit any more, even while the slot is free.
  slot->generation++;
  free.push_back(static_cast<uint32_t>(slot - slots.data()));
}

}  // namespace

void stopAllEngines() {
  Running& running = Running::all();
  const std::lock_guard guard(running.lock);
  for (Engine* engine : running.engines) engine->join();
  running.engines.clear();
}

int Engine::open() {
  const int family = options_.isIpv6 ? AF_INET6 : AF_INET;
  fd_ = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return errno;
  const int error = configure();
  if (error != 0) {
    close();
    return error;
  }
  gso_ = options_.gso && probeGso(family);
  outgoing_ = std::make_unique<Outgoing>(fd_, family, gso_);
  Running& running = Running::all();
  const std::lock_guard guard(running.lock);
  running.engines.insert(this);
  thread_ = std::thread([this] { run(); });
  return 0;
}

int Engine::configure() {
  sockaddr_storage address{};
  socklen_t length = options_.isIpv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  address.ss_family = options_.isIpv6 ? AF_INET6 : AF_INET;
  void* host = options_.isIpv6 ? static_cast<void*>(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr)
                               : static_cast<void*>(&reinterpret_cast<sockaddr_in&>(address).sin_addr);
  if (inet_pton(address.ss_family, options_.address.c_str(), host) != 1) return EINVAL;
  // The port is at the same place in both forms.
  reinterpret_cast<sockaddr_in&>(address).sin_port = htons(options_.port);
  const int on = 1;
  if (options_.isIpv6) setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (options_.receiveBufferBytes > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &options_.receiveBufferBytes, sizeof(int));
  if (options_.sendBufferBytes > 0) setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &options_.sendBufferBytes, sizeof(int));
  setsockopt(fd_, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0) return errno;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return errno;
  port_ = Address::of(address).port();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (epoll_ < 0 || event_ < 0 || timer_ < 0) return errno;
  for (const int fd : {fd_, event_, timer_}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return errno;
  }
  return 0;
}

void Engine::join() {
  stop_ = true;
  signalled_ = false;
  signal();
  if (thread_.joinable()) thread_.join();
}

void Engine::close() {
  {
    Running& running = Running::all();
    const std::lock_guard guard(running.lock);
    running.engines.erase(this);
  }
  join();
  for (int* fd : {&fd_, &epoll_, &event_, &timer_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

Peer* Engine::peer(double id) {
  auto* slot = slotOf(peers_, id);
  return slot == nullptr ? nullptr : slot->peer.get();
}

Peer* Engine::livePeer(double id) {
  Peer* found = peer(id);
  return found == nullptr || found->isRemoved ? nullptr : found;
}

Lane* Engine::lane(double id) {
  auto* slot = slotOf(lanes_, id);
  return slot == nullptr ? nullptr : slot->lane.get();
}

double Engine::addPeer(const PeerKeys& keys) {
  auto added = std::make_unique<Peer>();
  const size_t saltAt = kKeyBytes;
  if (!added->sender.init(keys.profile, keys.send, keys.send + saltAt, keys.allowRepeats)) return 0;
  added->hasReceiver = keys.receive != nullptr;
  if (added->hasReceiver && !added->receiver.init(keys.profile, keys.receive, keys.receive + saltAt)) return 0;
  const std::lock_guard guard(state_);
  double id = 0;
  PeerSlot* slot = takeSlot(peers_, freePeers_, kMaxPeers, id);
  if (slot == nullptr) return 0;
  added->id = id;
  slot->peer = std::move(added);
  peerCount_++;
  return id;
}

bool Engine::removePeer(double id) {
  const std::lock_guard guard(state_);
  Peer* removed = livePeer(id);
  if (removed == nullptr) return false;
  takeInbox();
  removed->isRemoved = true;
  for (const auto& track : removed->tracks) detach(*track);
  removed->tracks.clear();
  while (!removed->routes.empty()) unroute(*removed, removed->routes.back());
  if (commands_.empty()) {
    forgetPeer(id);
    return true;
  }
  // What was submitted before still leaves.
  Submission last;
  last.bytes = 16;
  last.commands = std::make_unique<uint8_t[]>(last.bytes);
  const auto kind = static_cast<uint32_t>(CommandKind::kRemove);
  const auto size = static_cast<uint32_t>(last.bytes);
  memcpy(last.commands.get(), &kind, 4);
  memcpy(last.commands.get() + 4, &size, 4);
  memcpy(last.commands.get() + 8, &id, 8);
  last.atMs = nowMs();
  queuedBytes_ += last.bytes;
  commands_.push_back(std::move(last));
  return true;
}

void Engine::forgetPeer(double id) {
  auto* slot = slotOf(peers_, id);
  if (slot == nullptr || slot->peer == nullptr) return;
  refused_ += slot->peer->sender.refused;
  rejected_ += slot->peer->receiver.malformed + slot->peer->receiver.unauthentic + slot->peer->receiver.replayed;
  slot->peer.reset();
  freeSlot(peers_, freePeers_, slot);
  peerCount_--;
}

bool Engine::setAddress(double id, const Address& address) {
  const std::lock_guard guard(state_);
  Peer* moved = livePeer(id);
  if (moved == nullptr || !route(*moved, address)) return false;
  moved->address = address;
  moved->isDiverted = false;
  resume(*moved);
  return true;
}

bool Engine::divert(double id) {
  const std::lock_guard guard(state_);
  Peer* diverted = livePeer(id);
  if (diverted == nullptr) return false;
  diverted->address = Address{};
  diverted->isDiverted = true;
  resume(*diverted);
  return true;
}

void Engine::resume(Peer& peer) {
  for (const auto& track : peer.tracks) {
    if (track->lane != nullptr && track->state == TrackState::kIdle)
      (track->lane->options().prompt ? prompt_ : pictures_).push(track.get());
  }
  signal();
}

bool Engine::takeIn(double id, uint8_t* data, size_t bytes) {
  const std::lock_guard guard(state_);
  Peer* sender = livePeer(id);
  const bool isMedia = bytes >= 2 && data[0] >= 128 && data[0] <= 191;
  if (sender == nullptr || !isMedia || !sender->hasReceiver) return false;
  sender->received++;
  sender->receivedBytes += bytes;
  openMedia(*sender, data, bytes, Address{}, nowMs());
  return true;
}

bool Engine::addRoute(double id, const Address& address) {
  const std::lock_guard guard(state_);
  Peer* found = livePeer(id);
  return found != nullptr && route(*found, address);
}

bool Engine::removeRoute(double id, const Address& address) {
  const std::lock_guard guard(state_);
  Peer* found = livePeer(id);
  if (found == nullptr) return false;
  unroute(*found, address);
  return true;
}

bool Engine::route(Peer& peer, const Address& address) {
  const auto known = routes_.find(address);
  if (known != routes_.end()) {
    if (known->second == peer.id) return true;
    Peer* former = this->peer(known->second);
    if (former != nullptr) unroute(*former, address);
  }
  if (peer.routes.size() >= Peer::kMaxRoutes) return false;
  peer.routes.push_back(address);
  routes_[address] = peer.id;
  return true;
}

void Engine::unroute(Peer& peer, const Address& route) {
  const Address address = route;
  const auto at = std::find(peer.routes.begin(), peer.routes.end(), address);
  if (at == peer.routes.end()) return;
  peer.routes.erase(at);
  routes_.erase(address);
}

bool Engine::setPacing(double id, double bps, double burstBytes) {
  const std::lock_guard guard(state_);
  Peer* paced = livePeer(id);
  if (paced == nullptr) return false;
  Budget& budget = paced->budget;
  const double now = nowMs();
  // A new rate does not give a new burst.
  const bool wasLimited = budget.isLimited();
  if (wasLimited) budget.refill(now);
  budget.bytesPerMs = bps / 8000;
  budget.burstBytes = burstBytes;
  budget.left = wasLimited ? std::min(budget.left, burstBytes) : burstBytes;
  budget.atMs = now;
  return true;
}

double Engine::openLane(const LaneOptions& options) {
  auto added = std::make_unique<Lane>(options);
  const std::lock_guard guard(state_);
  double id = 0;
  LaneSlot* slot = takeSlot(lanes_, freeLanes_, kMaxLanes, id);
  if (slot == nullptr) return 0;
  slot->lane = std::move(added);
  laneCount_++;
  return id;
}

bool Engine::closeLane(double id) {
  const std::lock_guard guard(state_);
  takeInbox();
  auto* slot = slotOf(lanes_, id);
  if (slot == nullptr || slot->lane == nullptr) return false;
  while (!slot->lane->followers.empty()) detach(*slot->lane->followers.back());
  slot->lane.reset();
  freeSlot(lanes_, freeLanes_, slot);
  laneCount_--;
  return true;
}

bool Engine::follow(double peerId, const FollowOptions& options) {
  const std::lock_guard guard(state_);
  takeInbox();
  Peer* follower = livePeer(peerId);
  Lane* followed = lane(options.lane);
  if (follower == nullptr || followed == nullptr || follower->tracks.size() >= Peer::kMaxTracks) return false;
  if (follower->track(options.format.ssrc) != nullptr) return false;
  SentSource* source = follower->sender.source(options.format.ssrc);
  if (source == nullptr) return false;
  followed->expect(options.from);
  auto track = std::make_unique<Track>();
  track->peer = follower;
  track->lane = followed;
  track->format = options.format;
  track->source = source;
  track->cursor = track->segment = options.from;
  track->offset = options.number - options.from;
  track->lastNumber = options.number - 1;
  track->lateCursor = followed->lateEnd();
  track->maxQueueMs = options.maxQueueMs;
  track->sinceMs = nowMs();
  followed->followers.push_back(track.get());
  (followed->options().prompt ? prompt_ : pictures_).push(track.get());
  follower->tracks.push_back(std::move(track));
  signal();
  return true;
}

void Engine::unlink(Track& track) {
  if (track.state == TrackState::kWaiting) waiting_.remove(&track);
  else if (track.state == TrackState::kReady) (track.lane->options().prompt ? prompt_ : pictures_).remove(&track);
}

void Engine::detach(Track& track) {
  if (track.lane == nullptr) return;
  unlink(track);
  auto& followers = track.lane->followers;
  followers.erase(std::find(followers.begin(), followers.end(), &track));
  track.lane = nullptr;
}

bool Engine::submit(std::unique_ptr<uint8_t[]> commands, size_t bytes) {
  Submission submission;
  submission.commands = std::move(commands);
  submission.bytes = bytes;
  return enqueue(std::move(submission));
}

bool Engine::push(double lane, std::vector<LanePacket>&& packets, size_t bytes) {
  Submission submission;
  submission.lane = lane;
  submission.packets = std::move(packets);
  submission.bytes = bytes;
  return enqueue(std::move(submission));
}

bool Engine::enqueue(Submission&& submission) {
  if (queuedBytes_ + submission.bytes > options_.maxQueueBytes) return false;
  queuedBytes_ += submission.bytes;
  submission.atMs = nowMs();
  for (LanePacket& packet : submission.packets) packet.atMs = submission.atMs;
  {
    const std::lock_guard guard(inboxLock_);
    inbox_.push_back(std::move(submission));
  }
  signal();
  return true;
}

void Engine::signal() {
  if (signalled_.exchange(true)) return;
  const uint64_t one = 1;
  if (::write(event_, &one, sizeof one) < 0) signalled_ = false;
}

Incoming Engine::takeIncoming() {
  const std::lock_guard guard(incomingLock_);
  isTold_ = false;
  return std::exchange(incoming_, Incoming{});
}

}  // namespace sluice
