import type { MediaActivityOptions } from './options.ts';

/**
 * Tells when a publisher's media has stopped although its connection lives (`rtp_activity_*`, functions-1 §1.1).
 * A kind of media counts from its first packet on; a publisher that has sent none at all has stopped too.
 */
export class MediaActivity {
  readonly #timeoutMs: number;
  readonly #watchesAudio: boolean;
  readonly #watchesVideo: boolean;
  #audio = { packets: 0, atMs: 0 };
  #video = { packets: 0, atMs: 0 };

  constructor(options: MediaActivityOptions, streamName: string, nowMs: number) {
    this.#timeoutMs = options.timeoutMs;
    this.#watchesAudio = options.audioExclude?.test(streamName) !== true;
    this.#watchesVideo = options.videoExclude?.test(streamName) !== true;
    this.#audio.atMs = nowMs;
    this.#video.atMs = nowMs;
  }

  /**
   * Called about once a second with the packets received so far.
   * @returns what has stopped, for people, or undefined
   */
  check(nowMs: number, packets: { readonly audio: number; readonly video: number }): string | undefined {
    if (this.#timeoutMs <= 0) return undefined;
    const audioSilent = this.#isSilent(this.#audio, packets.audio, nowMs);
    const videoSilent = this.#isSilent(this.#video, packets.video, nowMs);
    const nothing = packets.audio === 0 && packets.video === 0;
    if (nothing && audioSilent && (this.#watchesAudio || this.#watchesVideo))
      return `no media for ${this.#timeoutMs} ms`;
    if (this.#watchesAudio && packets.audio > 0 && audioSilent) return `no audio for ${this.#timeoutMs} ms`;
    if (this.#watchesVideo && packets.video > 0 && videoSilent) return `no video for ${this.#timeoutMs} ms`;
    return undefined;
  }

  #isSilent(seen: { packets: number; atMs: number }, packets: number, nowMs: number): boolean {
    if (packets !== seen.packets) {
      seen.packets = packets;
      seen.atMs = nowMs;
    }
    return nowMs - seen.atMs > this.#timeoutMs;
  }
}
