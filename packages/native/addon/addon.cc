// What JavaScript sees: a class `MediaSocket`, whose methods take numbers, typed arrays and nothing else, and `sendToAll`
// of stream_sends.h. It throws for
// arguments that are wrong and for a port that can't be opened; whatever the network does is counted.
#include <node_api.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "datagram_ports.h"
#include "engine.h"
#include "numbers.h"
#include "stream_sends.h"

namespace sluice {
namespace {

constexpr napi_type_tag kTag = {0x8f1b2d5c7a3e4961, 0xb2c4d6e8f0a1c3e5};
// As in `addon.ts`, to be raised with every change of what JavaScript calls.
constexpr uint32_t kVersion = 4;
constexpr size_t kPacketFields = 6;
constexpr double kMaxPayloadBytes = 60000;

struct MediaSocket {
  std::unique_ptr<Engine> engine;
  napi_threadsafe_function wake = nullptr;
  bool isOpen = false;
};

void closeSocket(MediaSocket& socket) {
  if (socket.isOpen) socket.engine->close();
  socket.isOpen = false;
}

// The environment ends: a worker that is stopped, or the process.
void onEnvironmentEnd(void* data) { closeSocket(*static_cast<MediaSocket*>(data)); }

void throwWrong(napi_env env, const char* what) { napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", what); }

// The arguments of a call, checked one by one: the first that is wrong throws, and `ok` is false from then on.
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMost;
    if (napi_get_cb_info(env, info, &count, values_, &self_, nullptr) != napi_ok) return;
    count_ = count;
    bool isOurs = false;
    void* data = nullptr;
    ok_ = napi_check_object_type_tag(env, self_, &kTag, &isOurs) == napi_ok && isOurs &&
          napi_unwrap(env, self_, &data) == napi_ok;
    socket_ = static_cast<MediaSocket*>(data);
    if (!ok_) throwWrong(env, "not a media socket");
  }
  bool ok() const { return ok_; }
  bool isOpen() const { return ok_ && socket_->isOpen; }
  napi_value self() const { return self_; }
  MediaSocket& socket() const { return *socket_; }
  Engine& engine() const { return *socket_->engine; }

  double number(size_t at) {
    double value = 0;
    if (ok_ && (at >= count_ || napi_get_value_double(env_, values_[at], &value) != napi_ok)) fail("not a number");
    return value;
  }
  uint8_t* bytes(size_t at, size_t& length) { return static_cast<uint8_t*>(array(at, napi_uint8_array, length)); }
  double* doubles(size_t at, size_t& length) {
    return static_cast<double*>(array(at, napi_float64_array, length));
  }
  bool address(size_t at, Address& address) {
    size_t length = 0;
    const uint8_t* data = bytes(at, length);
    if (ok_ && length != Address::kBytes) fail("not an address");
    if (ok_) memcpy(address.bytes, data, Address::kBytes);
    return ok_;
  }
  void fail(const char* what) {
    if (ok_) throwWrong(env_, what);
    ok_ = false;
  }
  napi_value result(bool value) const {
    napi_value result = nullptr;
    napi_get_boolean(env_, value, &result);
    return result;
  }
  napi_value result(double value) const {
    napi_value result = nullptr;
    napi_create_double(env_, value, &result);
    return result;
  }

 private:
  static constexpr size_t kMost = 4;
  void* array(size_t at, napi_typedarray_type wanted, size_t& length) {
    napi_typedarray_type type;
    void* data = nullptr;
    length = 0;
    if (!ok_) return nullptr;
    if (at >= count_ ||
        napi_get_typedarray_info(env_, values_[at], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != wanted)
      fail("not a typed array of that kind");
    return data;
  }
  napi_env env_;
  napi_value self_ = nullptr;
  napi_value values_[kMost] = {};
  size_t count_ = 0;
  bool ok_ = false;
  MediaSocket* socket_ = nullptr;
};

// Gives JavaScript all that has come, in one call.
void deliver(napi_env env, napi_value listener, void* context, void*) {
  auto& socket = *static_cast<MediaSocket*>(context);
  if (env == nullptr || !socket.isOpen) return;
  const Incoming incoming = socket.engine->takeIncoming();
  napi_value arguments[2];
  napi_value buffer;
  napi_value receiver;
  void* records = nullptr;
  const size_t bytes = incoming.records.size() * sizeof(double);
  if (napi_create_buffer_copy(env, incoming.data.size(), incoming.data.data(), nullptr, &arguments[0]) != napi_ok ||
      napi_create_arraybuffer(env, bytes, &records, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, incoming.records.size(), buffer, 0, &arguments[1]) != napi_ok ||
      napi_get_undefined(env, &receiver) != napi_ok)
    return;
  if (bytes > 0) memcpy(records, incoming.records.data(), bytes);
  napi_call_function(env, receiver, listener, 2, arguments, nullptr);
}

void throwSystem(napi_env env, int error) {
  napi_value code;
  napi_value message;
  napi_value thrown;
  // Node's own names of the errors that opening a port has.
  const char* name = error == EADDRINUSE      ? "EADDRINUSE"
                     : error == EADDRNOTAVAIL ? "EADDRNOTAVAIL"
                     : error == EACCES        ? "EACCES"
                     : error == EAFNOSUPPORT  ? "EAFNOSUPPORT"
                     : error == EINVAL        ? "EINVAL"
                                              : "EIO";
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, strerror(error), NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, code, message, &thrown);
  napi_throw(env, thrown);
}

bool readOptions(napi_env env, napi_value* values, EngineOptions& options) {
  napi_typedarray_type type;
  size_t length = 0;
  size_t written = 0;
  void* data = nullptr;
  char host[64] = {};
  if (napi_get_typedarray_info(env, values[0], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array || length < 9)
    return false;
  if (napi_get_value_string_utf8(env, values[1], host, sizeof host, &written) != napi_ok) return false;
  const auto* numbers = static_cast<const double*>(data);
  options.address = host;
  options.port = static_cast<uint16_t>(integer(numbers[0], 0, 65535, 0));
  options.isIpv6 = numbers[1] != 0;
  options.receiveBufferBytes = static_cast<int>(integer(numbers[2], 0, 1 << 30, 0));
  options.sendBufferBytes = static_cast<int>(integer(numbers[3], 0, 1 << 30, 0));
  options.gso = numbers[4] != 0;
  options.maxQueueMs = numbers[5];
  options.maxQueueBytes = static_cast<size_t>(integer(numbers[6], 0, kMaxNumber, 0));
  options.maxIncomingBytes = static_cast<size_t>(integer(numbers[7], 0, kMaxNumber, 0));
  options.clockOffsetMs = numbers[8];
  return true;
}

napi_value construct(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value values[3];
  napi_value self;
  EngineOptions options;
  if (napi_get_cb_info(env, info, &count, values, &self, nullptr) != napi_ok || count < 3 ||
      !readOptions(env, values, options)) {
    throwWrong(env, "options, an address and a listener are needed");
    return nullptr;
  }
  auto* socket = new MediaSocket();
  napi_value name;
  napi_create_string_utf8(env, "sluice media socket", NAPI_AUTO_LENGTH, &name);
  // The socket lives as long as the function through which its thread calls, which is until the environment's end at most.
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<MediaSocket*>(data); };
  if (napi_create_threadsafe_function(env, values[2], nullptr, name, 0, 1, socket, destroy, socket, deliver,
                                      &socket->wake) != napi_ok) {
    delete socket;
    throwWrong(env, "the listener is not a function");
    return nullptr;
  }
  const napi_threadsafe_function wake = socket->wake;
  socket->engine = std::make_unique<Engine>(
      options, [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); });
  const int error = socket->engine->open();
  if (error != 0) {
    napi_release_threadsafe_function(wake, napi_tsfn_abort);
    throwSystem(env, error);
    return nullptr;
  }
  socket->isOpen = true;
  napi_add_env_cleanup_hook(env, onEnvironmentEnd, socket);
  napi_wrap(env, self, socket, nullptr, nullptr, nullptr);
  napi_type_tag_object(env, self, &kTag);
  return self;
}

// After this the object is no media socket any more.
napi_value close(napi_env env, napi_callback_info info) {
  Call call(env, info);
  if (!call.isOpen()) return nullptr;
  MediaSocket& socket = call.socket();
  closeSocket(socket);
  napi_remove_env_cleanup_hook(env, onEnvironmentEnd, &socket);
  void* data = nullptr;
  napi_remove_wrap(env, call.self(), &data);
  napi_release_threadsafe_function(socket.wake, napi_tsfn_abort);
  return nullptr;
}

napi_value port(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return call.ok() ? call.result(static_cast<double>(call.engine().port())) : nullptr;
}

// (profile: 0 GCM or 1 CM, repeats: 0 or 1, keys: key and salt to send with, then those to receive with if any)
napi_value addPeer(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto profile = call.number(0) == 0 ? Profile::kGcm : Profile::kCounterMode;
  const bool repeats = call.number(1) != 0;
  size_t length = 0;
  const uint8_t* keys = call.bytes(2, length);
  const size_t each = kKeyBytes + saltBytes(profile);
  if (call.ok() && length != each && length != 2 * each) call.fail("keys of a wrong length");
  if (!call.ok()) return nullptr;
  if (!call.isOpen()) return call.result(0.0);
  return call.result(call.engine().addPeer({profile, repeats, keys, length == each ? nullptr : keys + each}));
}

napi_value removePeer(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  return call.ok() ? call.result(call.isOpen() && call.engine().removePeer(id)) : nullptr;
}

// (peer, address, what: 0 sends there and knows it, 1 only knows it, 2 knows it no more)
napi_value route(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  Address address;
  call.address(1, address);
  const double what = call.number(2);
  if (!call.ok()) return nullptr;
  if (!call.isOpen()) return call.result(false);
  if (what == 0) return call.result(call.engine().setAddress(id, address));
  if (what == 1) return call.result(call.engine().addRoute(id, address));
  return call.result(call.engine().removeRoute(id, address));
}

napi_value divert(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  return call.ok() ? call.result(call.isOpen() && call.engine().divert(id)) : nullptr;
}

// (peer, datagram, which is opened in its place)
napi_value takeIn(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  size_t length = 0;
  uint8_t* datagram = call.bytes(1, length);
  if (!call.ok()) return nullptr;
  return call.result(call.isOpen() && length <= kMaxPacketBytes && call.engine().takeIn(id, datagram, length));
}

napi_value setPacing(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  const double bps = call.number(1);
  const double burst = call.number(2);
  if (call.ok() && !(bps >= 0 && burst >= 0)) call.fail("rates are not negative");
  return call.ok() ? call.result(call.isOpen() && call.engine().setPacing(id, bps, burst)) : nullptr;
}

// (packets, bytes, age in ms, prompt: 0 or 1)
napi_value openLane(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto packets = static_cast<uint32_t>(integer(call.number(0), 1, 1 << 16, 0));
  const auto bytes = static_cast<uint32_t>(integer(call.number(1), 1, 1 << 30, 0));
  const double ageMs = call.number(2);
  const bool isPrompt = call.number(3) != 0;
  if (call.ok() && (packets == 0 || bytes == 0 || !(ageMs > 0))) call.fail("the bounds of a lane are positive");
  if (!call.ok()) return nullptr;
  return call.result(call.isOpen() ? call.engine().openLane({packets, bytes, ageMs, isPrompt}) : 0.0);
}

napi_value closeLane(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  return call.ok() ? call.result(call.isOpen() && call.engine().closeLane(id)) : nullptr;
}

// (lane, bytes, six numbers a packet: sequence, timestamp, flags, orientation, offset, length; packets)
napi_value push(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double lane = call.number(0);
  size_t length = 0;
  size_t numbers = 0;
  const uint8_t* bytes = call.bytes(1, length);
  const double* fields = call.doubles(2, numbers);
  const int64_t count = integer(call.number(3), 0, static_cast<int64_t>(numbers / kPacketFields), -1);
  if (call.ok() && count < 0) call.fail("fewer packets than said");
  if (!call.ok() || !call.isOpen()) return call.ok() ? call.result(false) : nullptr;
  const std::shared_ptr<uint8_t[]> block(new uint8_t[length]);
  if (length > 0) memcpy(block.get(), bytes, length);
  std::vector<LanePacket> packets(static_cast<size_t>(count));
  for (LanePacket& packet : packets) {
    const int64_t offset = integer(fields[4], 0, static_cast<int64_t>(length), -1);
    const int64_t size = integer(fields[5], 1, static_cast<int64_t>(kMaxPayloadBytes), -1);
    packet.sequence = integer(fields[0], 0, kMaxNumber - 1, -1);
    if (packet.sequence < 0 || offset < 0 || size < 0 || offset + size > static_cast<int64_t>(length)) {
      call.fail("a packet is not within the bytes, or its number is none");
      return nullptr;
    }
    const uint32_t flags = lowBits(fields[2]);
    packet.timestamp = lowBits(fields[1]);
    packet.marker = (flags & 1) != 0;
    packet.startPoint = (flags & 2) != 0;
    packet.orientation = static_cast<int16_t>(integer(fields[3], 0, 255, -1));
    packet.offset = static_cast<uint32_t>(offset);
    packet.bytes = static_cast<uint32_t>(size);
    packet.block = block;
    fields += kPacketFields;
  }
  return call.result(call.engine().push(lane, std::move(packets), length));
}

// (peer, [lane, from, number, maxQueueMs, then the format])
napi_value follow(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  size_t length = 0;
  const double* fields = call.doubles(1, length);
  FollowOptions options;
  if (call.ok() && length < 4 + kFormatFields) call.fail("fields are missing");
  if (call.ok()) {
    options.lane = fields[0];
    options.from = integer(fields[1], 0, kMaxNumber, -1);
    options.number = integer(fields[2], 0, kMaxNumber, -1);
    options.maxQueueMs = fields[3];
    options.format = formatOf(fields + 4);
    if (options.from < 0 || options.number < 0) call.fail("numbers are not negative");
  }
  return call.ok() ? call.result(call.isOpen() && call.engine().follow(id, options)) : nullptr;
}

// (peer, SSRC, eleven numbers that it fills, what: 0 tells where it stands, 1 stops it)
napi_value track(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  const double ssrc = call.number(1);
  size_t length = 0;
  double* out = call.doubles(2, length);
  const bool ends = call.number(3) != 0;
  if (call.ok() && length < 11) call.fail("there is no room for the answer");
  if (!call.ok()) return nullptr;
  TrackReport report;
  if (!call.isOpen() || !call.engine().track(id, lowBits(ssrc), ends, report)) return call.result(false);
  const double values[] = {static_cast<double>(report.cursor),     static_cast<double>(report.lastNumber),
                           static_cast<double>(report.lastTimestamp), static_cast<double>(report.packets),
                           static_cast<double>(report.bytes),      static_cast<double>(report.drops),
                           report.keyFrameMs,                      static_cast<double>(report.offset),
                           static_cast<double>(report.segment),    report.awaitsStart ? 1.0 : 0.0,
                           report.lagMs};
  memcpy(out, values, sizeof values);
  return call.result(true);
}

napi_value submit(napi_env env, napi_callback_info info) {
  Call call(env, info);
  size_t length = 0;
  const uint8_t* bytes = call.bytes(0, length);
  const int64_t used = integer(call.number(1), 0, static_cast<int64_t>(length), -1);
  if (call.ok() && used < 0) call.fail("fewer bytes than said");
  if (!call.ok() || !call.isOpen()) return call.ok() ? call.result(false) : nullptr;
  std::unique_ptr<uint8_t[]> copy(new uint8_t[static_cast<size_t>(used)]);
  if (used > 0) memcpy(copy.get(), bytes, static_cast<size_t>(used));
  return call.result(call.engine().submit(std::move(copy), static_cast<size_t>(used)));
}

napi_value sentSince(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const double id = call.number(0);
  const int64_t number = integer(call.number(1), 0, kMaxNumber, 0);
  size_t length = 0;
  double* out = call.doubles(2, length);
  if (!call.ok()) return nullptr;
  return call.result(call.isOpen() ? static_cast<double>(call.engine().sentSince(id, number, out, length)) : 0.0);
}

// (numbers that it fills, peer or 0 for all)
napi_value stats(napi_env env, napi_callback_info info) {
  Call call(env, info);
  size_t length = 0;
  double* out = call.doubles(0, length);
  const double id = call.number(1);
  if (!call.ok()) return nullptr;
  if (id != 0) return call.result(call.engine().peerStats(id, out, length));
  call.engine().stats(out, length);
  return call.result(true);
}

napi_value initialize(napi_env env, napi_value exports) {
  // Before the process tears down what threads use. Once for all environments.
  static std::once_flag once;
  std::call_once(once, [] { std::atexit(stopAllEngines); });
  const auto method = [](const char* name, napi_callback callback) -> napi_property_descriptor {
    return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_default_method, nullptr};
  };
  const napi_property_descriptor methods[] = {
      method("close", close),         method("port", port),           method("addPeer", addPeer),
      method("removePeer", removePeer), method("route", route),         method("setPacing", setPacing),
      method("divert", divert),       method("takeIn", takeIn),
      method("openLane", openLane),   method("closeLane", closeLane), method("push", push),
      method("follow", follow),       method("track", track),   method("submit", submit),
      method("sentSince", sentSince), method("stats", stats)};
  napi_value socket;
  if (napi_define_class(env, "MediaSocket", NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                        &socket) == napi_ok)
    napi_set_named_property(env, exports, "MediaSocket", socket);
  napi_value version;
  if (napi_create_uint32(env, kVersion, &version) == napi_ok)
    napi_set_named_property(env, exports, "version", version);
  napi_value function;
  if (napi_create_function(env, "sendToAll", NAPI_AUTO_LENGTH, sendToAll, nullptr, &function) == napi_ok)
    napi_set_named_property(env, exports, "sendToAll", function);
  if (napi_create_function(env, "receiveFromAll", NAPI_AUTO_LENGTH, receiveFromAll, nullptr, &function) == napi_ok)
    napi_set_named_property(env, exports, "receiveFromAll", function);
  return defineDatagramPorts(env, exports);
}

}  // namespace
}  // namespace sluice

NAPI_MODULE_INIT() { return sluice::initialize(env, exports); }
