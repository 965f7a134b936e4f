// Addresses of both families in one form, as they cross from JavaScript: 16 bytes (IPv4 mapped) and a port. Of a link-local
// address, bits 16 to 47, which are always 0 (RFC 4291 §2.5.6), hold the interface that it is of.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <cstring>

namespace sluice {

struct Address {
  static constexpr size_t kBytes = 18;
  static constexpr size_t kInterfaceAt = 2;
  uint8_t bytes[kBytes] = {};

  uint16_t port() const { return static_cast<uint16_t>(bytes[16] << 8 | bytes[17]); }
  bool isNone() const { return port() == 0; }
  bool isIpv4() const {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(bytes, kMapped, 12) == 0;
  }
  bool isLinkLocal() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  bool operator==(const Address& other) const { return memcmp(bytes, other.bytes, kBytes) == 0; }

  static Address of(const sockaddr_storage& from) {
    Address address;
    if (from.ss_family == AF_INET) {
      const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
      address.bytes[10] = address.bytes[11] = 0xff;
      memcpy(address.bytes + 12, &v4.sin_addr, 4);
      memcpy(address.bytes + 16, &v4.sin_port, 2);
    } else {
      const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
      memcpy(address.bytes, &v6.sin6_addr, 16);
      const uint32_t interface = htonl(v6.sin6_scope_id);
      if (address.isLinkLocal()) memcpy(address.bytes + kInterfaceAt, &interface, sizeof interface);
      memcpy(address.bytes + 16, &v6.sin6_port, 2);
    }
    return address;
  }

  // Fills what the system takes for a socket of that family and gives its length; 0 when it can't be reached from there.
  socklen_t fill(sockaddr_storage& to, int family) const {
    if ((family == AF_INET) != isIpv4()) return 0;
    memset(&to, 0, sizeof(sockaddr_in6));
    to.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(to);
      memcpy(&v4.sin_addr, bytes + 12, 4);
      memcpy(&v4.sin_port, bytes + 16, 2);
      return sizeof(sockaddr_in);
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(to);
    memcpy(&v6.sin6_addr, bytes, 16);
    if (isLinkLocal()) {
      uint32_t interface;
      memcpy(&interface, bytes + kInterfaceAt, sizeof interface);
      v6.sin6_scope_id = ntohl(interface);
      memset(v6.sin6_addr.s6_addr + kInterfaceAt, 0, sizeof interface);
    }
    memcpy(&v6.sin6_port, bytes + 16, 2);
    return sizeof(sockaddr_in6);
  }
};

struct AddressHash {
  size_t operator()(const Address& address) const {
    uint64_t a, b;
    memcpy(&a, address.bytes + 2, 8);
    memcpy(&b, address.bytes + 10, 8);
    return static_cast<size_t>((a * 0x9e3779b97f4a7c15u ^ b) * 0xff51afd7ed558ccdu >> 17);
  }
};

}  // namespace sluice
