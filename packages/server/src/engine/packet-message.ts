import { joinAnnexB, type MediaPacket, type Track } from '@sluice/media';
import type { SourceMessage } from './wire.ts';

/** Codecs whose packets are NAL units. */
function hasUnits(track: Track): boolean {
  return track.codec === 'h264' || track.codec === 'h265';
}

/** The bytes of a packet as workers take them: NAL units with start codes. */
export function payloadOf({ track, units }: MediaPacket): Uint8Array {
  return hasUnits(track) ? joinAnnexB(units) : (units[0] ?? new Uint8Array(0));
}

/** What a worker must know of a track before its first packet. */
export function sourceMessage({ codec, clockRate, parameters }: Track): SourceMessage {
  return { codec, clockRate, parameters: parameters.map((bytes) => Buffer.from(bytes).toString('base64')) };
}
