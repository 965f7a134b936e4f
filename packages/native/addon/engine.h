// One media port: a socket, a thread that serves it, and the state of all peers behind it.
//
//   JavaScript                     state_ (lock)                    the thread
//   submit(), push() ──▶ inbox_ ──▶ commands_, lanes ──▶ fill() ──▶ Outgoing ──▶ sendmmsg
//   listener ◀── incoming_ ◀──────── receivers ◀──────────────────── recvmmsg
//
// The lock is held for a chunk of packets at most (Outgoing::kPackets), never during a system call that sends.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "outgoing.h"
#include "peer.h"

namespace sluice {

struct EngineOptions {
  std::string address;
  uint16_t port = 0;
  bool isIpv6 = false;
  int receiveBufferBytes = 0;
  int sendBufferBytes = 0;
  bool gso = true;
  // What waits longer than that for the system or for its turn is given up.
  double maxQueueMs = 150;
  // Of batches that wait for the thread, and of what waits for JavaScript.
  size_t maxQueueBytes = 0;
  size_t maxIncomingBytes = 0;
  // The system's monotonic clock less `performance.now()`, on whose scale all times are.
  double clockOffsetMs = 0;
};

// What JavaScript is given at once: see `records` of the TypeScript side for the six numbers of each.
struct Incoming {
  static constexpr size_t kFields = 6;
  std::vector<uint8_t> data;
  std::vector<double> records;
};

enum class RecordKind : uint8_t { kRaw = 0, kRtcp = 1, kRtp = 2, kDropped = 3, kResumed = 4, kSealed = 5, kSent = 6 };

// Kinds of commands in a batch, whose forms are those of `command-batch.ts`.
enum class CommandKind : uint32_t { kRtp = 1, kRtcp = 2, kRaw = 3, kResend = 4, kRemove = 5 };

struct TrackReport {
  int64_t cursor;
  int64_t lastNumber;
  uint32_t lastTimestamp;
  uint64_t packets;
  uint64_t bytes;
  uint64_t drops;
  double keyFrameMs;
  int64_t offset;
  int64_t segment;
  bool awaitsStart;
  double lagMs;
};

struct FollowOptions {
  double lane = 0;
  int64_t from = 0;
  int64_t number = 0;
  double maxQueueMs = 0;
  RtpFormat format;
};

struct PeerKeys {
  Profile profile;
  bool allowRepeats;
  const uint8_t* send;
  // Null for a peer whose packets are not opened.
  const uint8_t* receive;
};

class Engine {
 public:
  // `wake` is called on the thread when something came for JavaScript and nothing was waiting for it before.
  Engine(const EngineOptions& options, std::function<void()> wake);
  ~Engine();
  // Opens the port; 0 or an errno. The thread runs from then on.
  int open();
  // Stops the thread, then closes the port. What was submitted leaves if the system takes it at once. Idempotent.
  void close();

  // Stops the thread and nothing else, for a process that ends.
  void join();

  uint16_t port() const { return port_; }
  // Gives the peer's id, or 0 when OpenSSL refuses the keys or there are too many peers.
  double addPeer(const PeerKeys& keys);
  bool removePeer(double id);
  bool setAddress(double id, const Address& address);
  // What is sent to the peer is handed to JavaScript, sealed, until it has an address again.
  bool divert(double id);
  // Takes what came of a peer another way than by the port; it is changed.
  bool takeIn(double id, uint8_t* data, size_t bytes);
  bool addRoute(double id, const Address& address);
  bool removeRoute(double id, const Address& address);
  bool setPacing(double id, double bps, double burstBytes);
  double openLane(const LaneOptions& options);
  bool closeLane(double id);
  bool follow(double peer, const FollowOptions& options);
  // Where a track stands; with `ends` it stops there.
  bool track(double peer, uint32_t ssrc, bool ends, TrackReport& report);
  size_t sentSince(double peer, int64_t number, double* out, size_t places);
  bool peerStats(double peer, double* out, size_t places);
  void stats(double* out, size_t places);

  // Takes a batch of commands; false when too much waits already.
  bool submit(std::unique_ptr<uint8_t[]> commands, size_t bytes);
  // Takes packets for a lane; false when too much waits already.
  bool push(double lane, std::vector<LanePacket>&& packets, size_t bytes);
  // Everything that came since it was last called.
  Incoming takeIncoming();

 private:
  struct Submission {
    double lane = 0;
    std::vector<LanePacket> packets;
    std::unique_ptr<uint8_t[]> commands;
    size_t bytes = 0;
    size_t at = 0;
    double atMs = 0;
  };
  struct LaneSlot {
    std::unique_ptr<Lane> lane;
    uint32_t generation = 0;
  };
  struct PeerSlot {
    std::unique_ptr<Peer> peer;
    uint32_t generation = 0;
  };
  struct ReceiveBuffers;

  enum class Outcome { kIdle, kWaits, kNoRoom };

  double nowMs() const;
  void signal();
  // What follows needs the lock of `state_`.
  Peer* peer(double id);
  Peer* livePeer(double id);
  Lane* lane(double id);
  void takeInbox();
  void appendTo(double lane, std::vector<LanePacket>&& packets);
  void unlink(Track& track);
  void detach(Track& track);
  void forgetPeer(double id);
  // A peer has a way: its tracks go on.
  void resume(Peer& peer);
  void unroute(Peer& peer, const Address& address);
  bool route(Peer& peer, const Address& address);

  // Writes the next chunk; true when there is more.
  bool fill(double nowMs);
  bool runCommands(double nowMs);
  bool runCommand(const uint8_t* command, uint32_t kind, size_t bytes, bool isLate);
  bool sendRtp(Peer& peer, const uint8_t* command, size_t bytes, double nowMs);
  bool sendRtcp(Peer& peer, const uint8_t* data, size_t bytes);
  bool sendRaw(const Address& to, const uint8_t* data, size_t bytes);
  bool resend(Peer& peer, const double* fields, double nowMs);
  bool sendTracks(TrackList& list, double nowMs);
  Outcome sendTrack(Track& track, double nowMs);
  bool sendLate(Track& track, double nowMs);
  bool sendPacket(Track& track, const LanePacket& packet, double nowMs);
  size_t write(Peer& peer, SentSource& source, const RtpFormat& format, const LanePacket& packet, int64_t number,
               int64_t originalNumber, double nowMs, uint8_t* out);
  // Where a packet can be written; null when the chunk is full.
  uint8_t* reserve(size_t bytes);
  void commit(Peer& peer, const uint8_t* sealed, size_t bytes);
  void account(Peer& peer, const uint8_t* sealed, size_t plainBytes, size_t sealedBytes);
  // The packet that was sent last has a transport-wide number.
  void noteNumber(Peer& peer, size_t plainBytes, uint16_t mark, double nowMs);
  void checkAge(Track& track, double nowMs);
  void skipToStart(Track& track, double nowMs);
  void resumeAt(Track& track, int64_t start, double nowMs);
  void wakeWaiting(double nowMs);
  void takeFailures();
  void tell(RecordKind kind, const Track& track, int64_t sequence, int64_t number, double nowMs);
  void receiveOne(uint8_t* data, size_t bytes, const Address& from, double nowMs);
  void openMedia(Peer& sender, uint8_t* data, size_t bytes, const Address& from, double nowMs);
  void hand(RecordKind kind, double peer, const Address& from, const uint8_t* data, size_t bytes, double nowMs,
            bool isUrgent = true);
  // What is not urgent is told with what is, or a moment later; of the thread alone.
  void addRecord(const double (&record)[Incoming::kFields], const uint8_t* data, size_t bytes, bool isUrgent = true);
  // What left since it was told last, before feedback that may name it.
  void tellSent(Peer& peer, double nowMs);

  // On the thread, without the lock.
  void run();
  void flush();
  void drain();
  int waitMs(bool hasMore) const;
  bool rest();
  void tellNow();
  void receive();
  bool receiveBatch();
  void clearError(uint32_t events);
  void watchWritable(bool on);
  void setTimer(bool on);
  bool enqueue(Submission&& submission);
  int configure();

  const EngineOptions options_;
  const std::function<void()> wake_;
  int fd_ = -1;
  int epoll_ = -1;
  int event_ = -1;
  int timer_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> signalled_{false};
  bool isClosed_ = false;

  std::mutex inboxLock_;
  std::vector<Submission> inbox_;
  std::atomic<size_t> queuedBytes_{0};

  std::mutex state_;
  std::vector<PeerSlot> peers_;
  std::vector<uint32_t> freePeers_;
  std::vector<LaneSlot> lanes_;
  std::vector<uint32_t> freeLanes_;
  std::unordered_map<Address, double, AddressHash> routes_;
  std::deque<Submission> commands_;
  TrackList prompt_{TrackState::kReady};
  TrackList pictures_{TrackState::kReady};
  TrackList waiting_{TrackState::kWaiting};
  std::unique_ptr<Outgoing> outgoing_;
  // Packets of the chunk that JavaScript is given.
  size_t diverted_ = 0;
  SendCounters sent_;
  bool gso_ = false;
  uint64_t refused_ = 0;
  uint64_t resendMisses_ = 0;
  uint64_t laneDrops_ = 0;
  size_t peerCount_ = 0;
  size_t laneCount_ = 0;

  // Of the thread alone.
  bool isBlocked_ = false;
  bool watchesWritable_ = false;
  bool timerIsOn_ = false;
  double blockedMs_ = 0;
  double chunkMs_ = 0;
  // When the socket was read last, and whether that was soon after the time before.
  double readMs_ = 0;
  bool readsOften_ = false;
  // JavaScript is to be told at that time.
  bool toldLate_ = false;
  double tellMs_ = 0;
  std::unique_ptr<ReceiveBuffers> receive_;

  std::mutex incomingLock_;
  Incoming incoming_;
  // JavaScript has been told that something is here, and has not come yet.
  bool isTold_ = false;
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> receivedBytes_{0};
  std::atomic<uint64_t> incomingDropped_{0};
  std::atomic<uint32_t> kernelDropped_{0};
  std::atomic<uint64_t> rejected_{0};
};

// Stops the threads of all engines of the process, before it ends by exit().
void stopAllEngines();

}  // namespace sluice
