import { type DescribedTrack, ProtocolError, parseRtcp, parseRtp } from '@sluice/media';
import type { Stream } from '../../../core/index.ts';
import {
  DEFAULT_RECEIVE_OPTIONS,
  PublisherMedia,
  type PublisherMediaStats,
  type ReceiveOptions,
} from '../../../rtp/index.ts';

export interface CameraMediaOptions {
  readonly tracks: readonly DescribedTrack[];
  readonly stream: Stream;
  /** The description, which tells whether key frames may be asked for. */
  readonly sdp: string;
  /** Media that stops for this long is missed, milliseconds. */
  readonly silenceMs: number;
  /** Names us in RTCP. */
  readonly localSsrc: number;
  readonly cname: string;
  sendRtcp(bytes: Uint8Array): void;
  onFirstMedia(): void;
  /** Picture and sound have stopped, or the picture alone; `detail` is for people. */
  onSilence(detail: string): void;
  onClockBreak(): void;
}

/** After a loss nothing until the next key frame: a picture that is broken is worse than one that stands. */
const RECEIVE_OPTIONS: ReceiveOptions = { ...DEFAULT_RECEIVE_OPTIONS, strictness: 'STRICT', watchesAudio: false };

/** Puts the packets of a camera into a stream, as access units on one clock. */
export class CameraMedia {
  /** When the source said goodbye, unless packets have come since; `performance.now()`, infinite while it has not. */
  goodbyeMs = Number.POSITIVE_INFINITY;
  /** When the last packet came; NaN before the first. */
  heardMs = Number.NaN;
  packets = 0;
  readonly #media: PublisherMedia;
  readonly #asksForKeyFrames: boolean;
  #malformed = 0;

  constructor(o: CameraMediaOptions) {
    // RFC 4585 §4.1: only who says so may be asked for key frames; simple cameras take such RTCP badly.
    this.#asksForKeyFrames = /^m=\S+ \S+ RTP\/AVPF|^a=rtcp-fb:.*\b(pli|fir)\b/im.test(o.sdp);
    const pli = this.#asksForKeyFrames;
    const feedback = { nack: false, pli, fir: false, transportCc: false, remb: false };
    this.#media = new PublisherMedia({
      tracks: o.tracks.map((track) => ({ ...track, startCodes: true, feedback, extensions: {} })),
      stream: o.stream,
      options: { ...RECEIVE_OPTIONS, activityTimeoutMs: o.silenceMs },
      localSsrc: o.localSsrc,
      cname: o.cname,
      reducedSizeRtcp: false,
      forward: false,
      sendRtcp: (bytes) => o.sendRtcp(bytes),
      onFirstMedia: () => o.onFirstMedia(),
      onActivityTimeout: (detail) => o.onSilence(detail),
      onClockBreak: () => o.onClockBreak(),
    });
  }

  /** Asks for a key frame; undefined where the camera has no means for it. */
  get requestKeyFrame(): (() => void) | undefined {
    return this.#asksForKeyFrames ? () => this.#media.requestKeyFrame() : undefined;
  }

  /** Tells the stream what will come, as far as the description tells it. */
  declareTracks(): void {
    this.#media.declareTracks();
  }

  /** Takes a packet of the track at that position. What is kept of it is copied. Hot path. */
  rtp(track: number, bytes: Uint8Array, nowMs: number): void {
    try {
      this.#media.onRtp(parseRtp(bytes), nowMs, track);
    } catch (error) {
      return this.#countMalformed(error);
    }
    this.packets++;
    this.heardMs = nowMs;
    this.goodbyeMs = Number.POSITIVE_INFINITY;
  }

  /** Takes a compound of RTCP; `track` as far as it is known. */
  rtcp(track: number | undefined, bytes: Uint8Array, nowMs: number): void {
    try {
      const packets = parseRtcp(bytes);
      this.#media.onRtcp(packets, nowMs, track);
      if (packets.some(({ kind }) => kind === 'bye')) this.goodbyeMs = nowMs;
    } catch (error) {
      this.#countMalformed(error);
    }
  }

  /** A packet that belongs to no track. */
  countStray(): void {
    this.#malformed++;
  }

  tick(nowMs: number): void {
    this.#media.tick(nowMs);
  }

  stats(): PublisherMediaStats & { readonly malformed: number } {
    return { ...this.#media.stats(), malformed: this.#malformed };
  }

  close(): void {
    this.#media.close();
  }

  #countMalformed(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#malformed++;
  }
}
