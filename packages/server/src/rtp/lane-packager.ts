import {
  isRtpCodec,
  type MediaPacket,
  ProtocolError,
  type RtpPacketizer,
  rtpClockRate,
  rtpPacketizer,
  type Track,
} from '@sluice/media';
import { AUDIO_LANE, type Reader, RtpLane, type RtpLaneFormat, type Stream, VIDEO_LANE } from '../core/index.ts';

export interface PackagerOptions {
  /** Most bytes of payload in a packet. */
  readonly maxPayloadBytes: number;
  /** H.264 only: 0 for viewers that take nothing but single NAL units. */
  readonly packetizationMode: 0 | 1;
}

/**
 * Turns one kind of track of a stream into RTP packets, once for all viewers: a lane for streams whose publisher does
 * not speak RTP, or for what has been converted.
 */
export class LanePackager {
  readonly lane: RtpLane;
  /** Frames that were left out because they are not what their codec says. */
  broken = 0;
  readonly #kind: Track['kind'];
  readonly #options: PackagerOptions;
  readonly #reader: Reader;
  #track: Track | undefined;
  #format: RtpLaneFormat | undefined;
  #packetizer: RtpPacketizer | undefined;
  #epoch = -1;

  constructor(stream: Stream, kind: Track['kind'], options: PackagerOptions) {
    this.lane = new RtpLane(kind === 'video' ? VIDEO_LANE : AUDIO_LANE);
    this.#kind = kind;
    this.#options = options;
    this.#reader = stream.attach({
      startAt: 'gop',
      onReadable: () => this.#drain(),
      onEnd: () => this.lane.reset(),
    });
    this.#drain();
  }

  close(): void {
    this.#reader.close();
  }

  // Hot path: once per packet of the stream.
  #drain(): void {
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read()) {
      const { packet, state } = entry;
      if (packet.track.kind !== this.#kind) continue;
      if (state.epoch !== this.#epoch) {
        if (this.#epoch >= 0) this.lane.reset();
        this.#epoch = state.epoch;
      }
      if (packet.track !== this.#track) this.#changeTrack(packet.track);
      this.#packetize(packet);
    }
  }

  #changeTrack(track: Track): void {
    if (track.codec !== this.#track?.codec) {
      const { packetizationMode } = this.#options;
      this.#packetizer = isRtpCodec(track.codec) ? rtpPacketizer(track.codec, { packetizationMode }) : undefined;
    }
    this.#track = track;
    this.#format = { track, packetizationMode: this.#options.packetizationMode };
  }

  /** A frame that can't be taken apart is left out: whoever published it, and its other viewers, hear nothing of it. */
  #packetize(packet: MediaPacket): void {
    try {
      this.#publishParts(packet);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.broken++;
    }
  }

  #publishParts(packet: MediaPacket): void {
    const format = this.#format;
    if (this.#packetizer === undefined || format === undefined) return;
    const timestamp = Math.round((packet.ptsUs * rtpClockRate(packet.track)) / 1e6);
    for (const part of this.#packetizer.packetize(packet, this.#options.maxPayloadBytes)) {
      this.lane.publish({
        format,
        sequence: this.lane.end,
        timestamp: timestamp + part.timestampOffset,
        ptsUs: packet.ptsUs,
        marker: part.marker,
        startPoint: part.startPoint,
        payload: part.payload,
      });
    }
  }
}

/** The packagers of all streams: one per stream, kind and way to packetize, while somebody needs it. */
export class LanePackagers {
  readonly #maxPayloadBytes: number;
  readonly #packagers = new Map<Stream, Map<string, { readonly packager: LanePackager; users: number }>>();

  constructor(maxPayloadBytes: number) {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  get size(): number {
    let sum = 0;
    for (const packagers of this.#packagers.values()) sum += packagers.size;
    return sum;
  }

  /** A lane with the packets of that kind; dispose of the lease when it is not needed any more. */
  lease(stream: Stream, kind: Track['kind'], packetizationMode: 0 | 1): LaneLease {
    const packagers = this.#packagers.get(stream) ?? new Map();
    this.#packagers.set(stream, packagers);
    const key = `${kind} ${packetizationMode}`;
    let entry = packagers.get(key);
    if (entry === undefined) {
      const options = { maxPayloadBytes: this.#maxPayloadBytes, packetizationMode };
      entry = { packager: new LanePackager(stream, kind, options), users: 0 };
      packagers.set(key, entry);
    }
    entry.users++;
    let released = false;
    return {
      lane: entry.packager.lane,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        if (--entry.users > 0) return;
        entry.packager.close();
        packagers.delete(key);
        if (packagers.size === 0) this.#packagers.delete(stream);
      },
    };
  }
}

export interface LaneLease extends Disposable {
  readonly lane: RtpLane;
}
