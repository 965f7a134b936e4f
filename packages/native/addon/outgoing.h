// Datagrams that are written one behind the other and leave by as few system calls and messages as possible.
#pragma once
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "address.h"

namespace sluice {

// True when the kernel cuts one message into several datagrams (UDP_SEGMENT), shown by really sending on loopback.
bool probeGso(int family);

struct SendCounters {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t messages = 0;
  uint64_t syscalls = 0;
  uint64_t again = 0;
  // Lost because the system had no room, or because they had waited too long for it.
  uint64_t dropped = 0;
  // Refused by the system because of their address.
  uint64_t unreachable = 0;
  uint64_t sentSingly = 0;
};

// What did not leave for one peer.
struct SendFailure {
  double peer;
  uint32_t packets;
  bool isUnreachable;
};

class Outgoing {
 public:
  // Bounds how long JavaScript can wait for the lock under which a chunk is written.
  static constexpr size_t kPackets = 64;
  static constexpr size_t kBytes = 448 * 1024;

  Outgoing(int fd, int family, bool gso);
  // Where a datagram of at most so many bytes can be written; null when what is here must leave first.
  uint8_t* reserve(size_t bytes);
  // What was written there goes to that address. It joins the datagram before it to one message where GSO allows.
  void commit(double peer, const Address& to, size_t bytes);
  bool isFull() const { return packets_ >= kPackets; }
  bool isEmpty() const { return messages_.empty(); }
  // Sends; false when the system takes no more for now: what is left stays.
  bool flush();
  // Gives up what the system did not take.
  void giveUp();
  bool gso() const { return gso_; }
  SendCounters counters;
  std::vector<SendFailure> failures;

 private:
  struct Message {
    double peer;
    Address to;
    uint32_t start;
    uint32_t bytes;
    uint32_t segment;
    uint32_t packets;
    bool isOpen;
  };
  struct alignas(cmsghdr) Control {
    uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
  };
  bool joins(const Message& last, double peer, const Address& to, size_t bytes) const;
  void prepare(size_t index);
  bool sendPrepared();
  // The first message failed: what can be done for it is done, and it is passed over.
  void onFailure(int error);
  void sendSingly(const Message& message);
  void count(const Message& message);
  void fail(const Message& message, uint32_t packets, bool isUnreachable);
  void reset();

  const int fd_;
  const int family_;
  bool gso_;
  std::unique_ptr<uint8_t[]> buffer_;
  size_t used_ = 0;
  size_t packets_ = 0;
  std::vector<Message> messages_;
  size_t sent_ = 0;
  size_t prepared_ = 0;
  mmsghdr headers_[kPackets] = {};
  iovec parts_[kPackets] = {};
  sockaddr_storage addresses_[kPackets] = {};
  Control controls_[kPackets] = {};
};

}  // namespace sluice
