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

}  // namespace

napi_value sendToAll(napi_env env, napi_callback_info info) {
  napi_value values[4];
  size_t given = 4;
  if (napi_get_cb_info(env, info, &given, values, nullptr, nullptr) != napi_ok || given < 4) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "four arguments are needed");
    return nullptr;
  }
  size_t descriptorCount = 0;
  size_t length = 0;
  size_t takenCount = 0;
  uint32_t count = 0;
  void* descriptors = nullptr;
  void* bytes = nullptr;
  void* taken = nullptr;
  if (!arrayOf(env, values[0], napi_int32_array, descriptors, descriptorCount) ||
      !arrayOf(env, values[2], napi_uint8_array, bytes, length) ||
      !arrayOf(env, values[3], napi_int32_array, taken, takenCount))
    return nullptr;
  const bool isNumber = napi_get_value_uint32(env, values[1], &count) == napi_ok;
  if (!isNumber || count > std::min(descriptorCount, takenCount) || length == 0 || length > INT32_MAX) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "more descriptors than there are, or nothing to send");
    return nullptr;
  }
  for (uint32_t i = 0; i < count; i++)
    static_cast<int32_t*>(taken)[i] =
        sendOnce(static_cast<int32_t*>(descriptors)[i], static_cast<uint8_t*>(bytes), length);
  return nullptr;
}

}  // namespace sluice
