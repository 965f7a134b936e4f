import { type MediaPacket, opusPacketTicks, silentFrame } from '@sluice/media';

/** A packet as it is written: at a time of its own, with the time until the next one of its track. */
export interface TimedPacket {
  readonly packet: MediaPacket;
  readonly durationUs: number;
}

const FIRST_PICTURE_US = 40_000;
const MIN_PICTURE_US = 1000;
const MAX_PICTURE_US = 500_000;
/**
 * Browsers throw away pictures up to the next key frame when decoding times leap by more than twice the duration of the
 * picture before (Media Source Extensions §3.5.8, step 6); a little less is sure.
 */
const LARGEST_LEAP = 1.9;

/**
 * Times of pictures that are written before the next one is known. A picture that comes late is decoded "too early"
 * and shown at its time: a leap of decoding times would cost all pictures up to the next key frame.
 */
export class PictureTimes {
  #cameUs: number | undefined;
  #writtenUs = 0;
  #durationUs = FIRST_PICTURE_US;

  /** Pictures are to be given in order of decoding. */
  next(packet: MediaPacket): TimedPacket {
    const cameUs = Math.max(0, packet.dtsUs);
    const before = this.#cameUs;
    let writtenUs = cameUs;
    if (before !== undefined) {
      if (!packet.key) writtenUs = Math.min(cameUs, Math.floor(this.#writtenUs + this.#durationUs * LARGEST_LEAP));
      this.#durationUs = Math.min(MAX_PICTURE_US, Math.max(MIN_PICTURE_US, cameUs - before));
    }
    this.#cameUs = cameUs;
    this.#writtenUs = writtenUs;
    return { packet: at(packet, writtenUs), durationUs: this.#durationUs };
  }
}

/** Longer gaps are left: players begin anew behind them. */
const MAX_FILL_US = 10_000_000;
/** Sound that is so much behind the picture is believed to have stopped. */
const SILENT_AFTER_US = 2_000_000;
/** Silence keeps so far behind the picture, so that sound that comes again late still has its place. */
const BEHIND_US = 1_000_000;
const AAC_FRAME_SAMPLES = 1024;
const OPUS_TICKS_PER_SECOND = 48_000;

/**
 * Times of sound, without gaps: what is missing is filled with silence. A gap would make browsers throw away pictures up
 * to the next key frame, and they play only as far as there are both.
 */
export class SoundTimes {
  #endUs: number | undefined;
  #last: MediaPacket | undefined;
  #durationUs = 0;

  /** What is to be written for a packet: nothing when its time is taken, silence first when something is missing. */
  next(packet: MediaPacket): readonly TimedPacket[] {
    this.#durationUs = durationUs(packet) ?? this.#durationUs;
    this.#last = packet;
    const startUs = Math.max(0, packet.dtsUs);
    const endUs = this.#endUs;
    if (endUs !== undefined && startUs < endUs - this.#durationUs / 2) return [];
    const filled = endUs === undefined ? [] : this.#fill(endUs, startUs);
    this.#endUs = startUs + this.#durationUs;
    return [...filled, { packet: at(packet, startUs), durationUs: this.#durationUs }];
  }

  /** Silence for sound that has stopped while there are pictures at that time. */
  until(pictureUs: number): readonly TimedPacket[] {
    const endUs = this.#endUs;
    if (endUs === undefined || pictureUs - endUs < SILENT_AFTER_US) return [];
    const filled = this.#fill(endUs, pictureUs - BEHIND_US);
    this.#endUs = endUs + filled.length * this.#durationUs;
    return filled;
  }

  #fill(fromUs: number, toUs: number): readonly TimedPacket[] {
    const { packet, durationUs: lengthUs } = { packet: this.#last, durationUs: this.#durationUs };
    const gapUs = toUs - fromUs;
    // Half a frame is the rounding of clocks in milliseconds.
    if (packet === undefined || lengthUs <= 0 || gapUs < lengthUs / 2 || gapUs > MAX_FILL_US) return [];
    const silence = silentFrame(packet);
    if (silence === undefined) return [];
    const count = Math.round(gapUs / lengthUs);
    const { length: byteLength } = silence;
    return Array.from({ length: count }, (_, index) => {
      const timeUs = Math.round(fromUs + index * lengthUs);
      return { packet: { ...at(packet, timeUs), units: [silence], byteLength }, durationUs: lengthUs };
    });
  }
}

/** The same packet at another time of decoding; sound is heard when it is decoded. */
function at(packet: MediaPacket, dtsUs: number): MediaPacket {
  const ptsUs = packet.track.kind === 'audio' ? dtsUs : Math.max(0, packet.ptsUs);
  return { ...packet, dtsUs, ptsUs };
}

function durationUs({ track, units }: MediaPacket): number | undefined {
  if (track.codec !== 'opus') return (AAC_FRAME_SAMPLES * 1e6) / track.clockRate;
  const ticks = units[0] && opusPacketTicks(units[0]);
  return ticks === undefined ? undefined : (ticks * 1e6) / OPUS_TICKS_PER_SECOND;
}
