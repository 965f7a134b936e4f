#include "stream_sends.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace sluice {
namespace {

// Where a typed array of that kind lies, which may be nowhere when it is empty; false, and an exception, for anything else.
bool arrayOf(napi_env env, napi_value value, napi_typedarray_type wanted, void*& data, size_t& length) {
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) == napi_ok && type == wanted)
    return true;
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "not a typed array of that kind");
  return false;
}

int32_t sendOnce(int descriptor, const uint8_t* bytes, size_t length) {
  for (;;) {
    const ssize_t taken = ::send(descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken >= 0) return static_cast<int32_t>(taken);
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  }
}

int32_t receiveOnce(int descriptor, uint8_t* bytes, size_t length) {
  for (;;) {
    const ssize_t given = ::recv(descriptor, bytes, length, MSG_DONTWAIT);
    if (given > 0) return static_cast<int32_t>(given);
    if (given == 0) return -EPIPE;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  }
}

// What both are called with.
struct Call {
  int32_t* descriptors;
  uint32_t count;
  uint8_t* bytes;
  size_t length;
  int32_t* results;
};

bool readCall(napi_env env, napi_callback_info info, Call& call) {
  napi_value values[4];
  size_t given = 4;
  if (napi_get_cb_info(env, info, &given, values, nullptr, nullptr) != napi_ok || given < 4) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "four arguments are needed");
    return false;
  }
  size_t descriptorCount = 0;
  size_t resultCount = 0;
  void* descriptors = nullptr;
  void* bytes = nullptr;
  void* results = nullptr;
  if (!arrayOf(env, values[0], napi_int32_array, descriptors, descriptorCount) ||
      !arrayOf(env, values[2], napi_uint8_array, bytes, call.length) ||
      !arrayOf(env, values[3], napi_int32_array, results, resultCount))
    return false;
  const bool isNumber = napi_get_value_uint32(env, values[1], &call.count) == napi_ok;
  if (!isNumber || call.count > std::min(descriptorCount, resultCount) || call.length == 0 ||
      call.length > INT32_MAX) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "more descriptors than there are, or no bytes");
    return false;
  }
  call.descriptors = static_cast<int32_t*>(descriptors);
  call.bytes = static_cast<uint8_t*>(bytes);
  call.results = static_cast<int32_t*>(results);
  return true;
}

}  // namespace

napi_value sendToAll(napi_env env, napi_callback_info info) {
  Call call;
  if (!readCall(env, info, call)) return nullptr;
  for (uint32_t i = 0; i < call.count; i++) call.results[i] = sendOnce(call.descriptors[i], call.bytes, call.length);
  return nullptr;
}

napi_value receiveFromAll(napi_env env, napi_callback_info info) {
  Call call;
  if (!readCall(env, info, call)) return nullptr;
  if (call.count == 0) return nullptr;
  const size_t part = call.length / call.count;
  if (part == 0) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "fewer bytes than descriptors");
    return nullptr;
  }
  for (uint32_t i = 0; i < call.count; i++)
    call.results[i] = receiveOnce(call.descriptors[i], call.bytes + i * part, part);
  return nullptr;
}

}  // namespace sluice
