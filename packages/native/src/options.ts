import { isIP } from 'node:net';
import type { EgressOptions, LaneOptions, PeerKeys, RtpFormat } from './egress.ts';
import { SRTP_PROFILES } from './srtp/index.ts';

export type ResolvedEgressOptions = Required<EgressOptions>;

/** @throws RangeError for an address that is not numeric, and for a port that is none */
export function resolveEgressOptions(options: EgressOptions): ResolvedEgressOptions {
  if (isIP(options.address) === 0) throw new RangeError(`${options.address} is no address to bind`);
  if (!Number.isInteger(options.port) || options.port < 0 || options.port > 65_535)
    throw new RangeError(`${options.port} is no port`);
  return {
    receiveBufferBytes: 4 * 1024 * 1024,
    sendBufferBytes: 4 * 1024 * 1024,
    gso: true,
    maxQueueMs: 150,
    maxQueueBytes: 16 * 1024 * 1024,
    maxIncomingBytes: 4 * 1024 * 1024,
    ...options,
  };
}

/** @throws RangeError for keys whose lengths are not those of the profile */
export function checkKeys({ profile, send, receive }: PeerKeys): void {
  const lengths = SRTP_PROFILES[profile];
  for (const { key, salt } of receive === undefined ? [send] : [send, receive])
    if (key.length !== lengths.key || salt.length !== lengths.salt)
      throw new RangeError(`${profile} needs ${lengths.key} + ${lengths.salt} bytes of key and salt`);
}

const MAX_LANE_PACKETS = 65_536;
const MAX_LANE_BYTES = 2 ** 30;

/** @throws RangeError for bounds that are none */
export function checkLane({ maxPackets, maxBytes, maxAgeMs }: LaneOptions): void {
  const isBounded = maxPackets >= 1 && maxPackets <= MAX_LANE_PACKETS && maxBytes >= 1 && maxBytes <= MAX_LANE_BYTES;
  if (!isBounded || !(maxAgeMs > 0)) throw new RangeError(`a lane of ${maxPackets} packets, ${maxBytes} bytes`);
}

/** @throws RangeError for a number that is none */
export function checkNumber(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no number of a packet`);
}

/** @throws RangeError for a rate below nothing */
export function checkPacing(bps: number, burstBytes: number): void {
  if (!(bps >= 0 && burstBytes >= 0)) throw new RangeError(`a rate of ${bps} bit/s, ${burstBytes} bytes at once`);
}

/** @throws RangeError for an id that no header extension has */
export function checkFormat({
  transportSequenceId = 0,
  sendTimeId = 0,
  orientationId = 0,
  payloadType,
}: RtpFormat): void {
  for (const id of [transportSequenceId, sendTimeId, orientationId])
    if (!Number.isInteger(id) || id < 0 || id > 255) throw new RangeError(`${id} is no id of a header extension`);
  if (!Number.isInteger(payloadType) || payloadType < 0 || payloadType > 127)
    throw new RangeError(`${payloadType} is no payload type`);
}
