// The same bytes for many TCP sockets, in one call.
#pragma once

#include <node_api.h>

namespace sluice {

// (descriptors, how many of them, bytes, what each took): fills the last with the number of bytes that the system took
// of each, 0 where it has no room, and the negative error where there is one.
napi_value sendToAll(napi_env env, napi_callback_info info);

}  // namespace sluice
