/** Numbers of TURN (RFC 8656 §17) and of STUN's long-term credentials (RFC 8489 §14). */
export const METHOD = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const;

export const ATTRIBUTE = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  xorMappedAddress: 0x0020,
  reservationToken: 0x0022,
  passwordAlgorithms: 0x8002,
  fingerprint: 0x8028,
} as const;

/** IP protocol number of UDP, the only transport of a relayed address here (RFC 8656 §18.7). */
export const UDP_PROTOCOL = 17;

export const FAMILY = { IPv4: 1, IPv6: 2 } as const;

/** Entries of PASSWORD-ALGORITHMS (RFC 8489 §18.5). */
export const PASSWORD_ALGORITHM = { md5: 1, sha256: 2 } as const;

/** Numbers that a client may bind (RFC 8656 §12). */
export const FIRST_CHANNEL = 0x4000;
export const LAST_CHANNEL = 0x4fff;
export const CHANNEL_HEADER_BYTES = 4;

/** A STUN message or a frame of a channel that is longer carries no datagram that a network would. */
export const MAX_FRAME_BYTES = 4096;

/** Errors of RFC 8489 §14.8 and RFC 8656 §19, with the words to say. */
export const REASONS = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  420: 'Unknown Attribute',
  437: 'Allocation Mismatch',
  438: 'Stale Nonce',
  440: 'Address Family not Supported',
  441: 'Wrong Credentials',
  442: 'Unsupported Transport Protocol',
  443: 'Peer Address Family Mismatch',
  486: 'Allocation Quota Reached',
  508: 'Insufficient Capacity',
} as const;

export type TurnErrorCode = keyof typeof REASONS;
