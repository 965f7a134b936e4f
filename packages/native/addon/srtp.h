// SRTP and SRTCP (RFC 3711, RFC 7714) for one peer: the same rules as the TypeScript implementation beside it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "evp.h"

namespace sluice {

enum class Profile : uint8_t { kGcm, kCounterMode };

constexpr size_t kKeyBytes = 16;
constexpr size_t kMaxOverhead = 20;
constexpr size_t kRtcpHeaderBytes = 8;
constexpr size_t kMaxPacketBytes = 65535;

inline size_t saltBytes(Profile profile) { return profile == Profile::kGcm ? 12 : 14; }
inline size_t rtpTagBytes(Profile profile) { return profile == Profile::kGcm ? 16 : 10; }
inline size_t rtcpOverhead(Profile profile) { return rtpTagBytes(profile) + 4; }

inline uint16_t readU16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t readU32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 | static_cast<uint32_t>(at[2]) << 8 |
         at[3];
}
inline void writeU16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
inline void writeU32(uint8_t* at, uint32_t value) {
  writeU16(at, value >> 16);
  writeU16(at + 2, value);
}

// Length of an RTP header with its contributing sources and extension; 0 when this is not RTP or does not fit.
size_t rtpHeaderBytes(const uint8_t* packet, size_t length);

// Which of the newest 1024 packets of one source were seen, by unwrapped index (RFC 3711 §3.3.1, §3.3.2).
class Window {
 public:
  static constexpr int64_t kPackets = 1024;
  // The most likely index of a 16-bit number: the one nearest to the highest seen, never below zero.
  int64_t guess(uint16_t sequence) const;
  bool isNew(int64_t index) const;
  bool wasSeen(int64_t index) const { return index > highest_ - kPackets && !isNew(index); }
  void add(int64_t index);
  uint64_t lastUse = 0;

 private:
  uint64_t seen_[kPackets / 64] = {};
  int64_t highest_ = -1;
};

// The keys of one direction and kind of packets, ready for use.
class Cipher {
 public:
  Cipher() = default;
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher();
  // Derives the session keys; `label` is 0 for RTP and 3 for RTCP. False when OpenSSL refuses.
  bool init(Profile profile, const uint8_t* key, const uint8_t* salt, uint8_t label, bool seals);
  // Encrypts `payload` to the place behind the header, where the tag follows. Gives the packet's length, 0 on failure.
  size_t sealRtp(uint8_t* packet, size_t header, const uint8_t* payload, size_t payloadBytes, int64_t index);
  // Opens in place, leaving a packet that is not authentic as it was. Gives the length without the tag or 0.
  size_t openRtp(uint8_t* packet, size_t length, int64_t index);
  size_t sealRtcp(uint8_t* packet, size_t length, uint32_t index);
  size_t openRtcp(uint8_t* packet, size_t length, uint32_t index);

 private:
  void setIv(uint8_t* iv, uint32_t ssrc, int64_t index) const;
  bool crypt(const uint8_t* iv, uint8_t* out, const uint8_t* in, size_t bytes);
  bool seal(const uint8_t* iv, const uint8_t* aad, size_t aadBytes, uint8_t* out, const uint8_t* in, size_t bytes,
            uint8_t* tag);
  bool open(const uint8_t* iv, const uint8_t* aad, size_t aadBytes, uint8_t* body, size_t bytes, const uint8_t* tag);
  bool digest(const uint8_t* data, size_t bytes, const uint8_t* more, size_t moreBytes, uint8_t* out);

  Profile profile_ = Profile::kGcm;
  uint8_t salt_[16] = {};
  evp_cipher_ctx_st* aes_ = nullptr;
  evp_mac_ctx_st* mac_ = nullptr;
};

// What was sent of one SSRC.
struct SentSource {
  uint32_t ssrc;
  Window window;
  // Of the newest packets by index, only where packets may be repeated: two different ones under one number would
  // give away the key of GCM.
  std::unique_ptr<uint64_t[]> checksums;
};

// Protects what is sent to one peer: a number is never used twice with other bytes.
class SrtpSender {
 public:
  static constexpr size_t kMaxSources = 64;
  bool init(Profile profile, const uint8_t* key, const uint8_t* salt, bool allowRepeats);
  // What is known of an SSRC, which is never forgotten as its nonces would come again; null for one too many.
  SentSource* source(uint32_t ssrc);
  // Seals a packet whose header is at `packet` and whose payload is at `payload`, which may be the place behind the
  // header. Gives its length; 0 when the number was used.
  size_t rtp(SentSource& source, uint8_t* packet, size_t header, const uint8_t* payload, size_t payloadBytes);
  size_t rtcp(uint8_t* packet, size_t length);
  Profile profile() const { return profile_; }
  bool allowsRepeats() const { return allowRepeats_; }
  uint64_t refused = 0;

 private:
  Profile profile_ = Profile::kGcm;
  bool allowRepeats_ = false;
  Cipher rtp_;
  Cipher rtcp_;
  uint32_t rtcpIndex_ = 1;
  std::vector<std::unique_ptr<SentSource>> sources_;
};

// Opens what one peer sends. Memory is bounded; only authentic packets take any.
class SrtpReceiver {
 public:
  static constexpr size_t kMaxSources = 64;
  bool init(Profile profile, const uint8_t* key, const uint8_t* salt);
  size_t rtp(uint8_t* packet, size_t length);
  size_t rtcp(uint8_t* packet, size_t length);
  uint64_t malformed = 0;
  uint64_t unauthentic = 0;
  uint64_t replayed = 0;

 private:
  struct Source {
    uint32_t ssrc;
    Window window;
  };
  using Sources = std::vector<std::unique_ptr<Source>>;
  static Source* find(Sources& sources, uint32_t ssrc);
  void accept(Sources& sources, Source* source, uint32_t ssrc, int64_t index);

  Profile profile_ = Profile::kGcm;
  Cipher rtp_;
  Cipher rtcp_;
  Sources rtpSources_;
  Sources rtcpSources_;
  uint64_t uses_ = 0;
};

}  // namespace sluice
