import { encodeEcmaArray, type MediaPacket } from '@sluice/media';
import type { RtpLane, RtpLanePacket, Stream } from '../../core/index.ts';

/** Where goes what is received of a track. */
export interface TrackOutput {
  /** Whose numbering its packets continue. */
  readonly lane: RtpLane;
  /** Takes a packet, in order of arrival. Hot path. */
  packet(packet: RtpLanePacket): void;
  /** Takes a frame, in order. */
  frame(packet: MediaPacket): void;
  /** The picture is to be turned by so many times 90 degrees clockwise from now on, 0 to 3. */
  rotation(turns: number): void;
}

/**
 * A track of a stream that is sent once: its lane and its log get everything.
 * @param onPublished A frame has gone into the stream.
 */
export function streamOutput(stream: Stream, lane: RtpLane, onPublished: () => void): TrackOutput {
  return {
    lane,
    packet: (packet) => lane.publish(packet),
    frame: (packet) => {
      stream.publish(packet);
      onPublished();
    },
    rotation: (turns) => tellRotation(stream, turns),
  };
}

/** Players without RTP learn from the metadata how the picture is to be turned. */
export function tellRotation(stream: Stream, turns: number): void {
  const { metadata } = stream.state;
  if (metadata?.['orientation'] === turns || (turns === 0 && metadata?.['orientation'] === undefined)) return;
  const changed = { ...metadata, orientation: turns };
  stream.setMetadata(changed, encodeEcmaArray(changed).length);
}
