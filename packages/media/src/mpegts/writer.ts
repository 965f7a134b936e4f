import { type AacConfig, parseAacConfig, writeAdts } from '../codec/index.ts';
import { type Codec, type MediaPacket, ProtocolError, type Track } from '../packet.ts';
import { PMT_PID, type ProgramStream, writePat, writePmt } from './psi.ts';
import { type PidState, TS_PACKET_BYTES, TS_PAYLOAD_BYTES, TsOutput } from './ts-output.ts';

/**
 * Added to every PTS and DTS, in ticks of 90 kHz: 1.4 s, as FFmpeg does. Streams begin at or slightly before zero,
 * and timestamps below zero would wrap to the far end of the 33-bit range.
 */
export const TS_TIMESTAMP_OFFSET = 126_000;
/** How far the clock reference is behind the decoding time, in ticks of 90 kHz: 0.7 s for the decoder's buffer. */
const PCR_LEAD = 63_000;
const TIMESTAMP_MODULUS = 2 ** 33;

const FIRST_ELEMENTARY_PID = 0x100;
/** More would not fit in one packet with the programme map. */
const MAX_TRACKS = 32;
/** `stream_type` of ISO 13818-1 table 2-34 for what can be written. */
const STREAM_TYPES: Partial<Record<Codec, number>> = { aac: 0x0f, h264: 0x1b, h265: 0x24 };
const FIRST_AUDIO_STREAM_ID = 0xc0;
const FIRST_VIDEO_STREAM_ID = 0xe0;

/** AAC frames that share one PES packet, for less overhead; together about 107 ms at 48 kHz. */
const MAX_FRAMES_PER_PES = 5;
/** Longest time that a PES packet of low-rate audio may cover, in microseconds. */
const MAX_AUDIO_PES_US = 120_000;
/** Only the first frame of a PES packet has a timestamp, so frames further off than this start another one. */
const MAX_AUDIO_JITTER_US = 2_000;

const START_CODE = Uint8Array.of(0, 0, 0, 1);
/** Access unit delimiters that allow all slice types (H.264 §7.4.2.4, H.265 §7.3.2.5), which Apple's HLS rules demand. */
const ACCESS_UNIT_DELIMITER = {
  h264: Uint8Array.of(0, 0, 0, 1, 0x09, 0xf0),
  h265: Uint8Array.of(0, 0, 0, 1, 0x46, 0x01, 0x50),
};

/** One track of the programme with what must last from one segment to the next. */
interface ElementaryStream extends PidState, ProgramStream {
  readonly isVideo: boolean;
  readonly streamId: number;
  /** Audio frames that wait for their PES packet. */
  pending: MediaPacket[];
  /** Parsed configuration of the frames in `pending`. */
  config: AacConfig | undefined;
}

/**
 * Writes MPEG transport stream segments (ISO 13818-1) as HLS wants them (RFC 8216 §3.2): each begins with PAT and PMT,
 * and continuity counters run on from segment to segment. The clock reference is on the first video track, or the
 * first track when there is no video, once per PES packet.
 *
 * Timestamps are `us * 0.09 + 126000` ({@link TS_TIMESTAMP_OFFSET}) modulo 2^33.
 */
export class TsMuxer {
  readonly #streams = new Map<number, ElementaryStream>();
  readonly #pat: PidState;
  readonly #pmt: PidState;
  readonly #version: number;
  readonly #patSection = writePat();
  readonly #pmtSection: Uint8Array;
  readonly #pcrPid: number;

  /**
   * @param tracks one to 32 tracks of h264, h265 or aac; later packets belong to them by `track.id`.
   * @param previous A muxer whose transport stream goes on with other tracks: counters go on, the map has a new version.
   * @throws ProtocolError `TS_UNSUPPORTED_CODEC` for other codecs, `AAC_BAD_CONFIG` or `AAC_BAD_ADTS` for AAC that
   *   ADTS cannot express.
   * @throws RangeError when there are no or too many tracks.
   */
  constructor(tracks: readonly Track[], previous?: TsMuxer) {
    if (tracks.length === 0 || tracks.length > MAX_TRACKS) throw new RangeError(`${tracks.length} tracks`);
    let audioCount = 0;
    let videoCount = 0;
    for (const [index, track] of tracks.entries()) {
      const isVideo = track.kind === 'video';
      const streamType = STREAM_TYPES[track.codec];
      const pid = FIRST_ELEMENTARY_PID + index;
      if (streamType === undefined) {
        throw new ProtocolError('TS_UNSUPPORTED_CODEC', `cannot write ${track.codec} into MPEG-TS`);
      }
      if (track.codec === 'aac') aacConfig(track);
      this.#streams.set(track.id, {
        pid,
        continuity: previous === undefined ? 0 : previous.#continuityOf(pid),
        isVideo,
        streamType,
        streamId: isVideo ? FIRST_VIDEO_STREAM_ID + (videoCount++ & 15) : FIRST_AUDIO_STREAM_ID + (audioCount++ & 31),
        pending: [],
        config: undefined,
      });
    }
    const streams = [...this.#streams.values()];
    const clock = streams.find(({ isVideo }) => isVideo) ?? streams[0];
    this.#pcrPid = clock?.pid ?? FIRST_ELEMENTARY_PID;
    this.#pat = { pid: 0, continuity: previous === undefined ? 0 : previous.#pat.continuity };
    this.#pmt = { pid: PMT_PID, continuity: previous === undefined ? 0 : previous.#pmt.continuity };
    this.#version = previous === undefined ? 0 : (previous.#version + 1) % 32;
    this.#pmtSection = writePmt(streams, this.#pcrPid, this.#version);
  }

  /**
   * Writes one segment. Packets must be in decode order, with tracks interleaved by time; SPS and PPS come from each
   * key packet's own `track`.
   *
   * @throws RangeError when a packet's track was not given to the constructor.
   * @throws ProtocolError `AAC_BAD_ADTS` for an AAC frame of more than 8184 bytes.
   */
  segment(packets: readonly MediaPacket[]): Uint8Array {
    return this.write(packets, true);
  }

  /**
   * Writes packets as `segment` does, with PAT and PMT only where `tables` says so: they are to come at key frames, and
   * every 100 ms.
   *
   * @throws like `segment`
   */
  write(packets: readonly MediaPacket[], tables: boolean): Uint8Array {
    const output = new TsOutput(estimateBytes(packets));
    if (tables) {
      output.section(this.#pat, this.#patSection);
      output.section(this.#pmt, this.#pmtSection);
    }
    for (const packet of packets) {
      const stream = this.#streams.get(packet.track.id);
      if (stream === undefined) throw new RangeError(`no track ${packet.track.id} in this programme`);
      if (stream.isVideo) {
        this.#writeVideo(output, stream, packet);
        continue;
      }
      if (!belongsToPending(stream, packet)) this.#writeAudio(output, stream);
      if (stream.pending.length === 0) stream.config = aacConfig(packet.track);
      stream.pending.push(packet);
    }
    for (const stream of this.#streams.values()) this.#writeAudio(output, stream);
    return output.finish();
  }

  #continuityOf(pid: number): number {
    for (const stream of this.#streams.values()) if (stream.pid === pid) return stream.continuity;
    return 0;
  }

  #writeVideo(output: TsOutput, stream: ElementaryStream, packet: MediaPacket): void {
    const dts = timestamp(packet.dtsUs);
    // Length 0, allowed for video only, says that the packet ends where the next one begins (§2.4.3.7).
    const delimiter = ACCESS_UNIT_DELIMITER[packet.track.codec === 'h265' ? 'h265' : 'h264'];
    const pieces = [pesHeader(stream.streamId, 0, timestamp(packet.ptsUs), dts), delimiter];
    if (packet.key) {
      for (const unit of packet.track.parameters) pieces.push(START_CODE, unit);
    }
    for (const unit of packet.units) pieces.push(START_CODE, unit);
    output.pes(stream, pieces, this.#firstPacketFlags(stream, packet.key, dts));
  }

  /** Writes the frames that wait as one PES packet. */
  #writeAudio(output: TsOutput, stream: ElementaryStream): void {
    const frames = stream.pending;
    const [first] = frames;
    if (first === undefined) return;
    // Emptied first, so that a frame that cannot be written does not haunt later segments.
    stream.pending = [];
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (const packet of frames) {
      const frame = packet.units[0];
      if (frame === undefined || stream.config === undefined) continue;
      const header = writeAdts(stream.config, frame.length);
      pieces.push(header, frame);
      length += header.length + frame.length;
    }
    const pts = timestamp(first.ptsUs);
    pieces.unshift(pesHeader(stream.streamId, length, pts, pts));
    output.pes(stream, pieces, this.#firstPacketFlags(stream, true, pts));
  }

  #firstPacketFlags(
    stream: ElementaryStream,
    randomAccess: boolean,
    dts: number,
  ): { randomAccess: boolean; pcr?: number } {
    if (stream.pid !== this.#pcrPid) return { randomAccess };
    return { randomAccess, pcr: (dts - PCR_LEAD + TIMESTAMP_MODULUS) % TIMESTAMP_MODULUS };
  }
}

/** Room for all packets with PES headers, parameter sets and the stuffing of each last transport packet. */
function estimateBytes(packets: readonly MediaPacket[]): number {
  let count = 2;
  for (const packet of packets) {
    const overhead = packet.track.kind === 'video' ? 64 + 4 * packet.units.length : 32;
    count += Math.ceil((packet.byteLength + overhead) / TS_PAYLOAD_BYTES);
  }
  return count * TS_PACKET_BYTES;
}

/** Whether a decoder that counts on from the first pending frame's timestamp arrives at the right one for `packet`. */
function belongsToPending({ pending, config }: ElementaryStream, packet: MediaPacket): boolean {
  const [first] = pending;
  if (first === undefined || config === undefined) return true;
  if (pending.length >= MAX_FRAMES_PER_PES || packet.track !== first.track) return false;
  const elapsedUs = packet.ptsUs - first.ptsUs;
  const expectedUs = (pending.length * config.frameLength * 1e6) / config.sampleRate;
  return elapsedUs < MAX_AUDIO_PES_US && Math.abs(elapsedUs - expectedUs) <= MAX_AUDIO_JITTER_US;
}

/** Parses the configuration of an aac track and makes sure that ADTS can express it. */
function aacConfig(track: Track): AacConfig {
  const config = parseAacConfig(track.parameters[0] ?? new Uint8Array());
  writeAdts(config, 0);
  return config;
}

/** Microseconds to ticks of 90 kHz with the offset, in the range of 33 bits. */
function timestamp(us: number): number {
  const ticks = (Math.round((us * 9) / 100) + TS_TIMESTAMP_OFFSET) % TIMESTAMP_MODULUS;
  return ticks < 0 ? ticks + TIMESTAMP_MODULUS : ticks;
}

/** PES header (§2.4.3.6) with PTS, and DTS where it differs. `bodyBytes` 0 leaves the length open. */
function pesHeader(streamId: number, bodyBytes: number, pts: number, dts: number): Uint8Array {
  const timestamps = pts === dts ? timestampField(2, pts) : [...timestampField(3, pts), ...timestampField(1, dts)];
  const length = bodyBytes === 0 ? 0 : 3 + timestamps.length + bodyBytes;
  const flags = pts === dts ? 0x80 : 0xc0;
  // 0x84: the fixed bits '10', and data_alignment_indicator since an access unit follows at once.
  const fixed = [0, 0, 1, streamId, length >>> 8, length & 0xff, 0x84, flags, timestamps.length];
  return Uint8Array.of(...fixed, ...timestamps);
}

/** 33 bits in three groups, each closed by a marker bit. */
function timestampField(prefix: number, value: number): number[] {
  const high = Math.floor(value / 2 ** 30);
  const low = value % 2 ** 30;
  return [
    (prefix << 4) | (high << 1) | 1,
    low >>> 22,
    ((low >>> 14) & 0xfe) | 1,
    (low >>> 7) & 0xff,
    ((low & 0x7f) << 1) | 1,
  ];
}
