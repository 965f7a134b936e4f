#include "srtp.h"

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {

constexpr uint32_t kEncryptedFlag = 0x80000000u;
constexpr int64_t kMaxRtpIndex = (int64_t{1} << 48) - 1;
constexpr uint32_t kMaxRtcpIndex = 0x7fffffffu;
constexpr size_t kAuthKeyBytes = 20;
constexpr size_t kSha1Bytes = 20;
constexpr size_t kGcmTagBytes = 16;
constexpr size_t kCmTagBytes = 10;

// The pseudo-random function of RFC 3711 §4.3.1: the label meets the salt at its seventh byte.
bool derive(const uint8_t* key, const uint8_t* salt, size_t saltLength, uint8_t label, uint8_t* out, int bytes) {
  uint8_t counter[16] = {};
  memcpy(counter, salt, saltLength);
  counter[7] ^= label;
  const uint8_t zeros[32] = {};
  evp_cipher_ctx_st* ctx = EVP_CIPHER_CTX_new();
  int written = 0;
  const bool ok = ctx != nullptr && EVP_CipherInit_ex(ctx, EVP_aes_128_ctr(), nullptr, key, counter, 1) == 1 &&
                  EVP_CipherUpdate(ctx, out, &written, zeros, bytes) == 1 && written == bytes;
  EVP_CIPHER_CTX_free(ctx);
  return ok;
}

evp_mac_ctx_st* newHmac(const uint8_t* key) {
  evp_mac_st* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (mac == nullptr) return nullptr;
  evp_mac_ctx_st* ctx = EVP_MAC_CTX_new(mac);
  EVP_MAC_free(mac);
  if (ctx == nullptr) return nullptr;
  char digest[] = "SHA1";
  const ossl_param_st params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(ctx, key, kAuthKeyBytes, params) == 1) return ctx;
  EVP_MAC_CTX_free(ctx);
  return nullptr;
}

// Compares in a time that does not tell how much is right.
bool sameTag(const uint8_t* a, const uint8_t* b) {
  uint8_t difference = 0;
  for (size_t i = 0; i < kCmTagBytes; i++) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

// FNV-1a of 64 bits: tells packets apart that our own mistake would send under one number.
uint64_t checksumOf(uint64_t hash, const uint8_t* data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ data[i]) * 0x100000001b3u;
  return hash;
}

}  // namespace

size_t rtpHeaderBytes(const uint8_t* packet, size_t length) {
  if (length < 12 || packet[0] >> 6 != 2) return 0;
  size_t bytes = 12 + 4u * (packet[0] & 0x0f);
  if ((packet[0] & 0x10) != 0) {
    if (bytes + 4 > length) return 0;
    bytes += 4 + 4u * readU16(packet + bytes + 2);
  }
  return bytes <= length ? bytes : 0;
}

int64_t Window::guess(uint16_t sequence) const {
  if (highest_ < 0) return sequence;
  const auto distance = static_cast<int16_t>(static_cast<uint16_t>(sequence - static_cast<uint16_t>(highest_)));
  const int64_t index = highest_ + distance;
  return index < 0 ? index + 0x10000 : index;
}

bool Window::isNew(int64_t index) const {
  if (index > highest_) return true;
  if (index <= highest_ - kPackets) return false;
  const uint64_t at = static_cast<uint64_t>(index) % kPackets;
  return (seen_[at / 64] >> (at % 64) & 1) == 0;
}

void Window::add(int64_t index) {
  if (index - highest_ >= kPackets) {
    memset(seen_, 0, sizeof seen_);
  } else {
    for (int64_t between = highest_ + 1; between < index; between++) {
      const uint64_t at = static_cast<uint64_t>(between) % kPackets;
      seen_[at / 64] &= ~(uint64_t{1} << (at % 64));
    }
  }
  highest_ = std::max(highest_, index);
  const uint64_t at = static_cast<uint64_t>(index) % kPackets;
  seen_[at / 64] |= uint64_t{1} << (at % 64);
}

Cipher::~Cipher() {
  EVP_CIPHER_CTX_free(aes_);
  EVP_MAC_CTX_free(mac_);
}

bool Cipher::init(Profile profile, const uint8_t* key, const uint8_t* salt, uint8_t label, bool seals) {
  profile_ = profile;
  const size_t saltLength = saltBytes(profile);
  uint8_t cipherKey[kKeyBytes];
  uint8_t authKey[kAuthKeyBytes];
  if (!derive(key, salt, saltLength, label, cipherKey, kKeyBytes)) return false;
  if (!derive(key, salt, saltLength, static_cast<uint8_t>(label + 1), authKey, kAuthKeyBytes)) return false;
  if (!derive(key, salt, saltLength, static_cast<uint8_t>(label + 2), salt_, static_cast<int>(saltLength)))
    return false;
  aes_ = EVP_CIPHER_CTX_new();
  const bool isGcm = profile == Profile::kGcm;
  // Counter mode encrypts and decrypts alike.
  const int direction = seals || !isGcm ? 1 : 0;
  const evp_cipher_st* type = isGcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr();
  if (aes_ == nullptr || EVP_CipherInit_ex(aes_, type, nullptr, cipherKey, nullptr, direction) != 1) return false;
  if (!isGcm) mac_ = newHmac(authKey);
  return isGcm || mac_ != nullptr;
}

// RFC 3711 §4.1.1: salt, SSRC from byte 4, index from byte 8. RFC 7714 §8.1, §9.1: the same from bytes 2 and 6.
void Cipher::setIv(uint8_t* iv, uint32_t ssrc, int64_t index) const {
  memcpy(iv, salt_, 16);
  const size_t at = profile_ == Profile::kGcm ? 2 : 4;
  for (size_t i = 0; i < 4; i++) iv[at + i] ^= static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  for (size_t i = 0; i < 6; i++) iv[at + 4 + i] ^= static_cast<uint8_t>(index >> (40 - 8 * i));
}

bool Cipher::crypt(const uint8_t* iv, uint8_t* out, const uint8_t* in, size_t bytes) {
  int written = 0;
  if (EVP_CipherInit_ex(aes_, nullptr, nullptr, nullptr, iv, -1) != 1) return false;
  return bytes == 0 || EVP_CipherUpdate(aes_, out, &written, in, static_cast<int>(bytes)) == 1;
}

bool Cipher::seal(const uint8_t* iv, const uint8_t* aad, size_t aadBytes, uint8_t* out, const uint8_t* in,
                  size_t bytes, uint8_t* tag) {
  int written = 0;
  uint8_t none[16];
  return EVP_CipherInit_ex(aes_, nullptr, nullptr, nullptr, iv, -1) == 1 &&
         EVP_CipherUpdate(aes_, nullptr, &written, aad, static_cast<int>(aadBytes)) == 1 &&
         (bytes == 0 || EVP_CipherUpdate(aes_, out, &written, in, static_cast<int>(bytes)) == 1) &&
         EVP_CipherFinal_ex(aes_, none, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(aes_, kEvpCtrlGetTag, kGcmTagBytes, tag) == 1;
}

bool Cipher::open(const uint8_t* iv, const uint8_t* aad, size_t aadBytes, uint8_t* body, size_t bytes,
                  const uint8_t* tag) {
  // What turns out to be forged must stay as it was.
  thread_local uint8_t plain[kMaxPacketBytes];
  int written = 0;
  uint8_t none[16];
  uint8_t expected[kGcmTagBytes];
  memcpy(expected, tag, kGcmTagBytes);
  if (EVP_CipherInit_ex(aes_, nullptr, nullptr, nullptr, iv, -1) != 1) return false;
  if (EVP_CipherUpdate(aes_, nullptr, &written, aad, static_cast<int>(aadBytes)) != 1) return false;
  if (bytes > 0 && EVP_CipherUpdate(aes_, plain, &written, body, static_cast<int>(bytes)) != 1) return false;
  if (EVP_CIPHER_CTX_ctrl(aes_, kEvpCtrlSetTag, kGcmTagBytes, expected) != 1) return false;
  if (EVP_CipherFinal_ex(aes_, none, &written) != 1) return false;
  memcpy(body, plain, bytes);
  return true;
}

bool Cipher::digest(const uint8_t* data, size_t bytes, const uint8_t* more, size_t moreBytes, uint8_t* out) {
  size_t written = 0;
  return EVP_MAC_init(mac_, nullptr, 0, nullptr) == 1 && EVP_MAC_update(mac_, data, bytes) == 1 &&
         (moreBytes == 0 || EVP_MAC_update(mac_, more, moreBytes) == 1) &&
         EVP_MAC_final(mac_, out, &written, kSha1Bytes) == 1;
}

size_t Cipher::sealRtp(uint8_t* packet, size_t header, const uint8_t* payload, size_t payloadBytes, int64_t index) {
  uint8_t iv[16];
  setIv(iv, readU32(packet + 8), index);
  uint8_t* body = packet + header;
  const size_t length = header + payloadBytes;
  if (profile_ == Profile::kGcm)
    return seal(iv, packet, header, body, payload, payloadBytes, body + payloadBytes) ? length + kGcmTagBytes : 0;
  uint8_t rollOver[4];
  uint8_t tag[kSha1Bytes];
  writeU32(rollOver, static_cast<uint32_t>(index >> 16));
  if (!crypt(iv, body, payload, payloadBytes) || !digest(packet, length, rollOver, 4, tag)) return 0;
  memcpy(packet + length, tag, kCmTagBytes);
  return length + kCmTagBytes;
}

size_t Cipher::openRtp(uint8_t* packet, size_t length, int64_t index) {
  const size_t tagBytes = rtpTagBytes(profile_);
  if (length < tagBytes) return 0;
  const size_t end = length - tagBytes;
  const size_t header = rtpHeaderBytes(packet, end);
  if (header == 0) return 0;
  uint8_t iv[16];
  setIv(iv, readU32(packet + 8), index);
  if (profile_ == Profile::kGcm)
    return open(iv, packet, header, packet + header, end - header, packet + end) ? end : 0;
  uint8_t rollOver[4];
  uint8_t tag[kSha1Bytes];
  writeU32(rollOver, static_cast<uint32_t>(index >> 16));
  if (!digest(packet, end, rollOver, 4, tag) || !sameTag(tag, packet + end)) return 0;
  return crypt(iv, packet + header, packet + header, end - header) ? end : 0;
}

size_t Cipher::sealRtcp(uint8_t* packet, size_t length, uint32_t index) {
  uint8_t iv[16];
  setIv(iv, readU32(packet + 4), index);
  uint8_t* body = packet + kRtcpHeaderBytes;
  const size_t bodyBytes = length - kRtcpHeaderBytes;
  if (profile_ == Profile::kGcm) {
    uint8_t aad[kRtcpHeaderBytes + 4];
    memcpy(aad, packet, kRtcpHeaderBytes);
    writeU32(aad + kRtcpHeaderBytes, kEncryptedFlag | index);
    if (!seal(iv, aad, sizeof aad, body, body, bodyBytes, packet + length)) return 0;
    writeU32(packet + length + kGcmTagBytes, kEncryptedFlag | index);
    return length + kGcmTagBytes + 4;
  }
  uint8_t tag[kSha1Bytes];
  if (!crypt(iv, body, body, bodyBytes)) return 0;
  writeU32(packet + length, kEncryptedFlag | index);
  if (!digest(packet, length + 4, nullptr, 0, tag)) return 0;
  memcpy(packet + length + 4, tag, kCmTagBytes);
  return length + 4 + kCmTagBytes;
}

size_t Cipher::openRtcp(uint8_t* packet, size_t length, uint32_t index) {
  uint8_t iv[16];
  setIv(iv, readU32(packet + 4), index);
  uint8_t* body = packet + kRtcpHeaderBytes;
  if (profile_ == Profile::kGcm) {
    const size_t end = length - 4 - kGcmTagBytes;
    uint8_t aad[kRtcpHeaderBytes + 4];
    memcpy(aad, packet, kRtcpHeaderBytes);
    memcpy(aad + kRtcpHeaderBytes, packet + length - 4, 4);
    return open(iv, aad, sizeof aad, body, end - kRtcpHeaderBytes, packet + end) ? end : 0;
  }
  const size_t end = length - 4 - kCmTagBytes;
  uint8_t tag[kSha1Bytes];
  if (!digest(packet, end + 4, nullptr, 0, tag) || !sameTag(tag, packet + end + 4)) return 0;
  return crypt(iv, body, body, end - kRtcpHeaderBytes) ? end : 0;
}

bool SrtpSender::init(Profile profile, const uint8_t* key, const uint8_t* salt, bool allowRepeats) {
  profile_ = profile;
  allowRepeats_ = allowRepeats;
  return rtp_.init(profile, key, salt, 0, true) && rtcp_.init(profile, key, salt, 3, true);
}

SentSource* SrtpSender::source(uint32_t ssrc) {
  for (const auto& source : sources_)
    if (source->ssrc == ssrc) return source.get();
  if (sources_.size() >= kMaxSources) return nullptr;
  auto source = std::make_unique<SentSource>();
  source->ssrc = ssrc;
  if (allowRepeats_) source->checksums = std::make_unique<uint64_t[]>(Window::kPackets);
  sources_.push_back(std::move(source));
  return sources_.back().get();
}

size_t SrtpSender::rtp(SentSource& source, uint8_t* packet, size_t header, const uint8_t* payload,
                       size_t payloadBytes) {
  const int64_t index = source.window.guess(readU16(packet + 2));
  const bool isNew = source.window.isNew(index);
  uint64_t checksum = 0;
  if (source.checksums != nullptr)
    checksum = checksumOf(checksumOf(0xcbf29ce484222325u, packet, header), payload, payloadBytes);
  const size_t at = static_cast<size_t>(index % Window::kPackets);
  const bool repeats = source.checksums != nullptr && source.window.wasSeen(index) && source.checksums[at] == checksum;
  if (index > kMaxRtpIndex || !(isNew || repeats)) {
    refused++;
    return 0;
  }
  const size_t length = rtp_.sealRtp(packet, header, payload, payloadBytes, index);
  if (length == 0) {
    refused++;
    return 0;
  }
  if (isNew) source.window.add(index);
  if (source.checksums != nullptr) source.checksums[at] = checksum;
  return length;
}

size_t SrtpSender::rtcp(uint8_t* packet, size_t length) {
  if (length < kRtcpHeaderBytes || packet[0] >> 6 != 2 || rtcpIndex_ > kMaxRtcpIndex) {
    refused++;
    return 0;
  }
  return rtcp_.sealRtcp(packet, length, rtcpIndex_++);
}

bool SrtpReceiver::init(Profile profile, const uint8_t* key, const uint8_t* salt) {
  profile_ = profile;
  return rtp_.init(profile, key, salt, 0, false) && rtcp_.init(profile, key, salt, 3, false);
}

SrtpReceiver::Source* SrtpReceiver::find(Sources& sources, uint32_t ssrc) {
  for (const auto& source : sources)
    if (source->ssrc == ssrc) return source.get();
  return nullptr;
}

void SrtpReceiver::accept(Sources& sources, Source* source, uint32_t ssrc, int64_t index) {
  if (source == nullptr) {
    if (sources.size() >= kMaxSources)
      sources.erase(std::min_element(sources.begin(), sources.end(), [](const auto& a, const auto& b) {
        return a->window.lastUse < b->window.lastUse;
      }));
    sources.push_back(std::make_unique<Source>());
    source = sources.back().get();
    source->ssrc = ssrc;
  }
  source->window.add(index);
  source->window.lastUse = ++uses_;
}

size_t SrtpReceiver::rtp(uint8_t* packet, size_t length) {
  if (length < 12 || length > kMaxPacketBytes) {
    malformed++;
    return 0;
  }
  const uint32_t ssrc = readU32(packet + 8);
  Source* source = find(rtpSources_, ssrc);
  const int64_t index = source == nullptr ? readU16(packet + 2) : source->window.guess(readU16(packet + 2));
  if (source != nullptr && !source->window.isNew(index)) {
    replayed++;
    return 0;
  }
  const size_t opened = rtp_.openRtp(packet, length, index);
  if (opened == 0) unauthentic++;
  else accept(rtpSources_, source, ssrc, index);
  return opened;
}

size_t SrtpReceiver::rtcp(uint8_t* packet, size_t length) {
  const size_t overhead = rtcpOverhead(profile_);
  // The index is behind the tag with GCM (RFC 7714 §9.2), before it otherwise.
  const size_t indexFromEnd = profile_ == Profile::kGcm ? 4 : overhead;
  const bool fits = length >= kRtcpHeaderBytes + overhead && length <= kMaxPacketBytes && packet[0] >> 6 == 2;
  const uint32_t word = fits ? readU32(packet + length - indexFromEnd) : 0;
  if ((word & kEncryptedFlag) == 0) {
    malformed++;
    return 0;
  }
  const uint32_t index = word & ~kEncryptedFlag;
  const uint32_t ssrc = readU32(packet + 4);
  Source* source = find(rtcpSources_, ssrc);
  if (source != nullptr && !source->window.isNew(index)) {
    replayed++;
    return 0;
  }
  const size_t opened = rtcp_.openRtcp(packet, length, index);
  if (opened == 0) unauthentic++;
  else accept(rtcpSources_, source, ssrc, index);
  return opened;
}

}  // namespace sluice
