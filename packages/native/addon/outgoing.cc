#include "outgoing.h"

#include <netinet/udp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace sluice {
namespace {

// Limits of the kernel: segments in a message, and bytes of an IP packet less its headers.
constexpr uint32_t kMaxSegments = 64;
constexpr size_t kMaxRunBytes = 65000;

void setSegment(msghdr& header, uint8_t* control, size_t controlBytes, uint32_t segment) {
  header.msg_control = control;
  header.msg_controllen = controlBytes;
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  item->cmsg_level = SOL_UDP;
  item->cmsg_type = UDP_SEGMENT;
  item->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const auto size = static_cast<uint16_t>(segment);
  memcpy(CMSG_DATA(item), &size, sizeof size);
}

int loopbackSocket(int family, sockaddr_storage& address) {
  memset(&address, 0, sizeof address);
  address.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
  const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (fd < 0) return -1;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    return fd;
  close(fd);
  return -1;
}

bool comesAs(int fd, ssize_t bytes) {
  pollfd waiting{fd, POLLIN, 0};
  uint8_t buffer[256];
  return poll(&waiting, 1, 100) == 1 && recv(fd, buffer, sizeof buffer, 0) == bytes;
}

}  // namespace

bool probeGso(int family) {
  sockaddr_storage address;
  const int fd = loopbackSocket(family, address);
  if (fd < 0) return false;
  uint8_t data[150] = {};
  iovec part{data, sizeof data};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))];
  msghdr header{};
  header.msg_name = &address;
  header.msg_namelen = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  setSegment(header, control, sizeof control, 100);
  const bool works = sendmsg(fd, &header, 0) == sizeof data && comesAs(fd, 100) && comesAs(fd, 50);
  close(fd);
  return works;
}

Outgoing::Outgoing(int fd, int family, bool gso)
    : fd_(fd), family_(family), gso_(gso), buffer_(std::make_unique<uint8_t[]>(kBytes)) {
  messages_.reserve(kPackets);
}

uint8_t* Outgoing::reserve(size_t bytes) {
  if (isFull() || sent_ > 0 || used_ + bytes > kBytes) return nullptr;
  return buffer_.get() + used_;
}

void Outgoing::commit(double peer, const Address& to, size_t bytes) {
  packets_++;
  if (!messages_.empty() && joins(messages_.back(), peer, to, bytes)) {
    Message& last = messages_.back();
    last.bytes += static_cast<uint32_t>(bytes);
    last.packets++;
    // Only the last segment may be shorter.
    last.isOpen = bytes == last.segment && last.packets < kMaxSegments;
  } else {
    const auto size = static_cast<uint32_t>(bytes);
    messages_.push_back({peer, to, static_cast<uint32_t>(used_), size, size, 1, gso_});
  }
  used_ += bytes;
}

bool Outgoing::joins(const Message& last, double peer, const Address& to, size_t bytes) const {
  return gso_ && last.isOpen && bytes <= last.segment && last.bytes + bytes <= kMaxRunBytes && last.peer == peer &&
         last.to == to;
}

void Outgoing::prepare(size_t index) {
  const Message& message = messages_[index];
  msghdr& header = headers_[index].msg_hdr;
  header = {};
  parts_[index] = {buffer_.get() + message.start, message.bytes};
  header.msg_iov = &parts_[index];
  header.msg_iovlen = 1;
  header.msg_namelen = message.to.fill(addresses_[index], family_);
  header.msg_name = &addresses_[index];
  if (message.packets > 1) setSegment(header, controls_[index].bytes, sizeof(Control), message.segment);
}

bool Outgoing::flush() {
  while (prepared_ < messages_.size()) prepare(prepared_++);
  while (sent_ < messages_.size()) {
    // Those of before GSO was found not to work.
    if (!gso_ && messages_[sent_].packets > 1) sendSingly(messages_[sent_++]);
    else if (!sendPrepared()) return false;
  }
  reset();
  return true;
}

bool Outgoing::sendPrepared() {
  const auto waiting = static_cast<unsigned>(messages_.size() - sent_);
  const int sent = sendmmsg(fd_, headers_ + sent_, waiting, MSG_DONTWAIT);
  counters.syscalls++;
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    counters.again++;
    return false;
  }
  if (sent <= 0) onFailure(sent == 0 ? EINVAL : errno);
  for (int i = 0; i < sent; i++) count(messages_[sent_++]);
  return true;
}

void Outgoing::onFailure(int error) {
  if (error == EINTR) return;
  const Message& message = messages_[sent_++];
  if (message.packets > 1 && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
    // The device of the way there can't do it, and will not learn it.
    if (error == EIO) gso_ = false;
    sendSingly(message);
  } else if (error == ENOBUFS) {
    fail(message, message.packets, false);
  } else {
    fail(message, message.packets, true);
  }
}

void Outgoing::sendSingly(const Message& message) {
  sockaddr_storage to;
  const socklen_t length = message.to.fill(to, family_);
  uint32_t lost = 0;
  for (uint32_t at = 0; at < message.bytes; at += message.segment) {
    const uint32_t bytes = message.bytes - at < message.segment ? message.bytes - at : message.segment;
    counters.syscalls++;
    const uint8_t* data = buffer_.get() + message.start + at;
    if (sendto(fd_, data, bytes, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), length) < 0) {
      lost++;
      continue;
    }
    counters.sentSingly++;
    counters.messages++;
    counters.packets++;
    counters.bytes += bytes;
  }
  if (lost > 0) fail(message, lost, false);
}

void Outgoing::giveUp() {
  for (; sent_ < messages_.size(); sent_++) fail(messages_[sent_], messages_[sent_].packets, false);
  reset();
}

void Outgoing::count(const Message& message) {
  counters.messages++;
  counters.packets += message.packets;
  counters.bytes += message.bytes;
}

void Outgoing::fail(const Message& message, uint32_t packets, bool isUnreachable) {
  (isUnreachable ? counters.unreachable : counters.dropped) += packets;
  failures.push_back({message.peer, packets, isUnreachable});
}

void Outgoing::reset() {
  messages_.clear();
  used_ = packets_ = sent_ = prepared_ = 0;
}

}  // namespace sluice
