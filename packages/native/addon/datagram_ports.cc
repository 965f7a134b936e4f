#include "datagram_ports.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <unordered_set>

#include "address.h"

namespace sluice {
namespace {

constexpr napi_type_tag kTag = {0x3c5a9e7d1b2f4860, 0x9d8c7b6a5f4e3d2c};
// What a slot of the data holds; longer datagrams are cut, and none of our peers sends such.
constexpr size_t kSlotBytes = 2048;
constexpr size_t kRecordFields = 4;
// Of one port, before the next one has its turn.
constexpr size_t kBatch = 32;
constexpr int kEvents = 256;

class Ports {
 public:
  Ports() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Ports() {
    for (const int port : ports_) ::close(port);
    if (epoll_ >= 0) ::close(epoll_);
  }
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  int open(int bufferBytes) {
    const int port = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (port < 0) return -errno;
    sockaddr_in any{};
    any.sin_family = AF_INET;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = port;
    setsockopt(port, SOL_SOCKET, SO_RCVBUF, &bufferBytes, sizeof bufferBytes);
    // The time at which a datagram came, however late it is read.
    const int yes = 1;
    setsockopt(port, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
    if (bind(port, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
        epoll_ctl(epoll_, EPOLL_CTL_ADD, port, &event) != 0) {
      const int error = errno;
      ::close(port);
      return -error;
    }
    ports_.insert(port);
    return port;
  }

  bool has(int port) const { return ports_.count(port) > 0; }

  bool close(int port) {
    if (ports_.erase(port) == 0) return false;
    ::close(port);
    return true;
  }

  // Hot path: a call for each port that has something, and one for every 256 of these.
  size_t read(uint8_t* data, size_t slots, double* records) {
    size_t used = 0;
    epoll_event events[kEvents];
    const int ready = epoll_wait(epoll_, events, kEvents, 0);
    for (int i = 0; i < ready && used < slots; i++)
      used += readPort(events[i].data.fd, data + used * kSlotBytes, slots - used, used, records);
    return used;
  }

 private:
  static size_t readPort(int port, uint8_t* data, size_t slots, size_t first, double* records) {
    mmsghdr headers[kBatch];
    iovec parts[kBatch];
    alignas(cmsghdr) uint8_t control[kBatch][CMSG_SPACE(sizeof(timespec))];
    const size_t most = std::min(slots, kBatch);
    for (size_t i = 0; i < most; i++) {
      parts[i] = {data + i * kSlotBytes, kSlotBytes};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_control = control[i];
      headers[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    // Errors are those that others have sent by ICMP: reading takes them off, and that is all.
    const int count = recvmmsg(port, headers, static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < count; i++) {
      double* record = records + (first + static_cast<size_t>(i)) * kRecordFields;
      record[0] = port;
      record[1] = static_cast<double>((first + static_cast<size_t>(i)) * kSlotBytes);
      record[2] = headers[i].msg_len;
      record[3] = ageMs(headers[i].msg_hdr, now);
    }
    return static_cast<size_t>(std::max(count, 0));
  }

  // How long ago it came; 0 when the system does not tell, or when its clock was set back.
  static double ageMs(const msghdr& header, const timespec& now) {
    const cmsghdr* control = CMSG_FIRSTHDR(&header);
    if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) return 0;
    timespec then;
    memcpy(&then, CMSG_DATA(control), sizeof then);
    const double ms = static_cast<double>(now.tv_sec - then.tv_sec) * 1e3 +
                      static_cast<double>(now.tv_nsec - then.tv_nsec) / 1e6;
    return std::max(ms, 0.0);
  }

  int epoll_;
  std::unordered_set<int> ports_;
};

// The arguments of a call, checked one by one: the first that is wrong throws, and `ok` is false from then on.
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    napi_value self;
    void* data = nullptr;
    bool isOurs = false;
    ok_ = napi_get_cb_info(env, info, &count_, values_, &self, nullptr) == napi_ok &&
          napi_check_object_type_tag(env, self, &kTag, &isOurs) == napi_ok && isOurs &&
          napi_unwrap(env, self, &data) == napi_ok;
    ports_ = static_cast<Ports*>(data);
    if (!ok_) throwWrong("not ports of this kind");
  }
  bool ok() const { return ok_; }
  Ports& ports() const { return *ports_; }
  bool has(size_t at) const { return at < count_; }

  int integer(size_t at) {
    int32_t value = 0;
    if (ok_ && (at >= count_ || napi_get_value_int32(env_, values_[at], &value) != napi_ok)) fail("not a number");
    return value;
  }
  int port(size_t at) {
    const int port = integer(at);
    if (ok_ && !ports_->has(port)) fail("not an open port");
    return port;
  }
  void* array(size_t at, napi_typedarray_type wanted, size_t& length) {
    napi_typedarray_type type;
    void* data = nullptr;
    length = 0;
    if (ok_ && (at >= count_ ||
                napi_get_typedarray_info(env_, values_[at], &type, &length, &data, nullptr, nullptr) != napi_ok ||
                type != wanted))
      fail("not a typed array of that kind");
    return data;
  }
  socklen_t address(size_t at, sockaddr_storage& to) {
    size_t length = 0;
    Address address;
    const void* data = array(at, napi_uint8_array, length);
    if (ok_ && length != Address::kBytes) fail("not an address");
    if (!ok_) return 0;
    memcpy(address.bytes, data, Address::kBytes);
    const socklen_t used = address.fill(to, AF_INET);
    if (used == 0) fail("not an IPv4 address");
    return used;
  }
  napi_value result(double value) const {
    napi_value result = nullptr;
    napi_create_double(env_, value, &result);
    return result;
  }

 private:
  void throwWrong(const char* what) const { napi_throw_type_error(env_, "ERR_INVALID_ARG_VALUE", what); }
  void fail(const char* what) {
    if (ok_) throwWrong(what);
    ok_ = false;
  }
  napi_env env_;
  napi_value values_[3] = {};
  size_t count_ = 3;
  bool ok_ = false;
  Ports* ports_ = nullptr;
};

napi_value open(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const int bufferBytes = call.integer(0);
  return call.ok() ? call.result(call.ports().open(bufferBytes)) : nullptr;
}

napi_value port(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const int descriptor = call.port(0);
  sockaddr_in own{};
  socklen_t length = sizeof own;
  if (!call.ok()) return nullptr;
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length);
  return call.result(ntohs(own.sin_port));
}

napi_value connectTo(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const int descriptor = call.port(0);
  sockaddr_storage to{};
  const socklen_t length = call.address(1, to);
  if (!call.ok()) return nullptr;
  return call.result(connect(descriptor, reinterpret_cast<sockaddr*>(&to), length) == 0 ? 0 : -errno);
}

napi_value sendTo(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const int descriptor = call.port(0);
  size_t bytes = 0;
  const void* data = call.array(1, napi_uint8_array, bytes);
  sockaddr_storage to{};
  const socklen_t length = call.has(2) ? call.address(2, to) : 0;
  if (!call.ok()) return nullptr;
  const auto* where = length == 0 ? nullptr : reinterpret_cast<sockaddr*>(&to);
  const ssize_t sent = sendto(descriptor, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, where, length);
  return call.result(sent < 0 ? -errno : 0);
}

napi_value closePort(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const int descriptor = call.integer(0);
  napi_value result = nullptr;
  if (call.ok()) napi_get_boolean(env, call.ports().close(descriptor), &result);
  return result;
}

napi_value read(napi_env env, napi_callback_info info) {
  Call call(env, info);
  size_t bytes = 0;
  size_t fields = 0;
  auto* data = static_cast<uint8_t*>(call.array(0, napi_uint8_array, bytes));
  auto* records = static_cast<double*>(call.array(1, napi_float64_array, fields));
  if (!call.ok()) return nullptr;
  const size_t slots = std::min(bytes / kSlotBytes, fields / kRecordFields);
  return call.result(static_cast<double>(call.ports().read(data, slots, records)));
}

napi_value construct(napi_env env, napi_callback_info info) {
  napi_value self;
  size_t none = 0;
  if (napi_get_cb_info(env, info, &none, nullptr, &self, nullptr) != napi_ok) return nullptr;
  auto* ports = new Ports();
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Ports*>(data); };
  if (napi_wrap(env, self, ports, destroy, nullptr, nullptr) != napi_ok) {
    delete ports;
    return nullptr;
  }
  napi_type_tag_object(env, self, &kTag);
  return self;
}

}  // namespace

napi_value defineDatagramPorts(napi_env env, napi_value exports) {
  const auto method = [](const char* name, napi_callback call) {
    return napi_property_descriptor{name, nullptr, call, nullptr, nullptr, nullptr, napi_default_method, nullptr};
  };
  const napi_property_descriptor methods[] = {
      method("open", open),     method("port", port),       method("connect", connectTo),
      method("send", sendTo),   method("close", closePort), method("read", read),
  };
  napi_value type;
  if (napi_define_class(env, "DatagramPorts", NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                        &type) == napi_ok)
    napi_set_named_property(env, exports, "DatagramPorts", type);
  return exports;
}

}  // namespace sluice
