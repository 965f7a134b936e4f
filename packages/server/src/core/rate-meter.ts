import type { MediaPacket } from '@sluice/media';

const WINDOW_MS = 4000;
/** Weight of one packet in the smoothed lag: about half a second of video. */
const LAG_WEIGHT = 1 / 16;

/** Counts packets, bytes and kinds of frames of a track, and tells rates over about the last four seconds. */
export class RateMeter {
  packets = 0;
  bytes = 0;
  keyFrames = 0;
  /**
   * Frames that are shown before one that came earlier, whatever the codec calls them. Found by their times alone, so
   * that no bitstream is parsed.
   */
  bFrames = 0;
  /** Packets between the last two key frames; 0 until two were seen. */
  gop = 0;
  /** Time between the last two key frames on the stream's timeline, microseconds; 0 until two were seen. */
  keyFrameIntervalUs = 0;
  /** When the newest packet came, on the clock of `performance.now()`; 0 before the first. */
  arrivedMs = 0;
  /** When the newest key frame came, on the same clock; 0 before the first. */
  keyFrameArrivedMs = 0;
  #lagMs = 0;
  #sinceKey = 0;
  #keyDtsUs = -1;
  #lastDtsUs = 0;
  #highestPtsUs = Number.NEGATIVE_INFINITY;
  #bFramesBefore = 0;
  #markMs = 0;
  #markPackets = 0;
  #markBytes = 0;
  #perSecond = 0;
  #bitsPerSecond = 0;

  /** Hot path: additions and comparisons only; the clock was read by the caller. */
  count(packet: MediaPacket, arrivedMs: number): void {
    const { dtsUs, ptsUs } = packet;
    this.packets++;
    this.bytes += packet.byteLength;
    const lagMs = arrivedMs - dtsUs / 1000;
    this.#lagMs += (lagMs - this.#lagMs) * (this.arrivedMs === 0 ? 1 : LAG_WEIGHT);
    this.arrivedMs = arrivedMs;
    this.#lastDtsUs = dtsUs;
    this.#sinceKey++;
    if (packet.key) {
      this.#countKeyFrame(dtsUs);
      this.keyFrameArrivedMs = arrivedMs;
    } else if (ptsUs < this.#highestPtsUs) this.bFrames++;
    if (ptsUs > this.#highestPtsUs) this.#highestPtsUs = ptsUs;
  }

  /** Called about once a second by the owner of the clock; `nowMs` is monotonic. */
  sample(nowMs: number): void {
    const elapsed = nowMs - this.#markMs;
    if (this.#markMs > 0 && elapsed > 0) {
      // Exponential smoothing over the window, so that a short stall does not read as the end.
      const weight = Math.min(1, (elapsed / WINDOW_MS) * 2);
      const perSecond = ((this.packets - this.#markPackets) * 1000) / elapsed;
      const bits = ((this.bytes - this.#markBytes) * 8000) / elapsed;
      this.#perSecond += (perSecond - this.#perSecond) * (this.#perSecond === 0 ? 1 : weight);
      this.#bitsPerSecond += (bits - this.#bitsPerSecond) * (this.#bitsPerSecond === 0 ? 1 : weight);
    }
    this.#markMs = nowMs;
    this.#markPackets = this.packets;
    this.#markBytes = this.bytes;
  }

  /** Forgets what concerns one publication; the counts go on. Called when another one begins. */
  restart(): void {
    this.gop = 0;
    this.keyFrameIntervalUs = 0;
    this.arrivedMs = 0;
    this.keyFrameArrivedMs = 0;
    this.#lagMs = 0;
    this.#sinceKey = 0;
    this.#keyDtsUs = -1;
    this.#highestPtsUs = Number.NEGATIVE_INFINITY;
    this.#bFramesBefore = this.bFrames;
  }

  /** Packets a second: frames a second for video. */
  get packetsPerSecond(): number {
    return this.#perSecond;
  }

  get bitsPerSecond(): number {
    return this.#bitsPerSecond;
  }

  /** True when this publication has frames that are shown before one that came earlier. */
  get reordered(): boolean {
    return this.bFrames > this.#bFramesBefore;
  }

  /** Time on the stream's timeline from the newest key frame to the newest packet, microseconds. */
  get sinceKeyFrameUs(): number {
    return this.#keyDtsUs < 0 ? 0 : Math.max(0, this.#lastDtsUs - this.#keyDtsUs);
  }

  /**
   * Arrival time minus decoding time, smoothed, milliseconds. Of no meaning by itself, as the clocks begin anywhere;
   * the difference between two tracks of a stream tells by how much one arrives behind the other.
   */
  get lagMs(): number {
    return this.#lagMs;
  }

  #countKeyFrame(dtsUs: number): void {
    if (this.#keyDtsUs >= 0) {
      this.gop = this.#sinceKey;
      this.keyFrameIntervalUs = Math.max(0, dtsUs - this.#keyDtsUs);
    }
    this.keyFrames++;
    this.#sinceKey = 0;
    this.#keyDtsUs = dtsUs;
  }
}
