import { joinAnnexB } from '../../codec/h264.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import { TsDemuxer, type TsDemuxerOptions } from '../demux/demuxer.ts';
import { joined } from './build-ts.ts';

/** All that a demuxer makes of bytes. */
export interface Demuxed {
  readonly tracks: Track[];
  readonly packets: MediaPacket[];
  readonly notes: string[];
  readonly demuxer: TsDemuxer;
}

/** Feeds bytes in pieces of the given size. */
export function demux(bytes: Uint8Array, pieceBytes = 1316, options: TsDemuxerOptions = {}): Demuxed {
  const result = collector(options);
  for (let at = 0; at < bytes.length; at += pieceBytes) result.demuxer.push(bytes.subarray(at, at + pieceBytes));
  result.demuxer.flush();
  return result;
}

/** A demuxer whose events are kept. */
export function collector(options: TsDemuxerOptions = {}): Demuxed {
  const tracks: Track[] = [];
  const packets: MediaPacket[] = [];
  const notes: string[] = [];
  const demuxer = new TsDemuxer(
    {
      onTrack: (track) => tracks.push(track),
      onPacket: (packet) => packets.push(packet),
      onNote: (text) => notes.push(text),
    },
    options,
  );
  return { tracks, packets, notes, demuxer };
}

export function ofKind(packets: readonly MediaPacket[], kind: Track['kind']): MediaPacket[] {
  return packets.filter(({ track }) => track.kind === kind);
}

/** The video packets as a byte stream that decoders take, with the parameter sets before each key picture. */
export function byteStream(packets: readonly MediaPacket[]): Uint8Array {
  return joined(
    ofKind(packets, 'video').map(({ track, units, key }) => joinAnnexB(key ? [...track.parameters, ...units] : units)),
  );
}
