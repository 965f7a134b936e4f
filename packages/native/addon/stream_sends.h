// Many TCP sockets in one call: the same bytes for all of them, or what has come for each.
#pragma once

#include <node_api.h>

namespace sluice {

// (descriptors, how many of them, bytes, what each took): fills the last with the number of bytes that the system took
// of each, 0 where it has no room, and the negative error where there is one.
napi_value sendToAll(napi_env env, napi_callback_info info);

// (descriptors, how many of them, bytes, what each gave): reads each into its part of the bytes, which is divided evenly, and
// fills the last with the number of bytes, 0 where there are none yet, the negative error where there is one, and -EPIPE
// where the peer has said that nothing follows.
napi_value receiveFromAll(napi_env env, napi_callback_info info);

}  // namespace sluice
