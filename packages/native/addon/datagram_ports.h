// Many UDP ports of one thread, read together: what a load generator with a port for each of its peers needs.
#pragma once

#include <node_api.h>

namespace sluice {

// Defines the class `DatagramPorts` in the exports. Ports are named by their descriptors. All methods work at once and
// in the caller's thread; nothing is kept but descriptors, so there is nothing to be locked.
//
//   open(bufferBytes)         a new IPv4 port of the system's choice; negative error
//   port(descriptor)          its number
//   connect(descriptor, to)   from now on it hears and sends to that address alone; 0 or the negative error
//   send(descriptor, bytes, to?)  0 or the negative error
//   close(descriptor)         true unless it is none of ours
//   read(data, records)       reads what there is into slots of `data`; for each datagram the records get descriptor,
//                             offset, length, and how many ms ago it came. Gives the number of datagrams; as many as fit
//                             mean that there may be more
napi_value defineDatagramPorts(napi_env env, napi_value exports);

}  // namespace sluice
