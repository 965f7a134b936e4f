import { flvConfigTag, flvFrameTag, type MediaPacket, type Track } from '@sluice/media';
import { Admission } from '../admission.ts';
import type { Figures } from '../figures/figures.ts';
import type { Member } from '../member.ts';
import { parseRtmpAddress } from '../rtmp/rtmp-address.ts';
import { RtmpClient } from '../rtmp/rtmp-client.ts';
import type { Clip } from '../source/clip.ts';
import { ClipPlayer } from '../source/clip-player.ts';

/** A publisher by RTMP. */
export class RtmpPublisher implements Member {
  readonly #url: string;
  readonly #figures: Figures;
  readonly #clip: Clip;
  readonly #player: ClipPlayer;
  readonly #admission: Admission;
  #client: RtmpClient | undefined;
  #bytes = 0;
  #startedMs = 0;
  #configured = new Set<Track>();

  constructor(url: string, figures: Figures, { clip, joinTimeoutMs }: { clip: Clip; joinTimeoutMs: number }) {
    this.#url = url;
    this.#figures = figures;
    this.#clip = clip;
    this.#player = new ClipPlayer(clip);
    this.#admission = new Admission(figures, joinTimeoutMs);
  }

  start(nowMs: number): void {
    this.#admission.start(nowMs);
    this.#client = new RtmpClient(parseRtmpAddress(this.#url), 'publish', {
      accepted: () => this.#begin(performance.now()),
      video: () => {},
      audio: () => {},
      lost: (reason) => this.#admission.lose(reason),
    });
  }

  tick(nowMs: number): void {
    if (this.#admission.overdue(nowMs)) void this.#client?.close();
    if (!this.#admission.joined) return;
    const lateUs = this.#player.due((nowMs - this.#startedMs) * 1000, (packet) => this.#send(packet));
    const { counts } = this.#figures;
    counts.worstLateMs = Math.max(counts.worstLateMs, lateUs / 1000);
    this.#count();
  }

  async stop(): Promise<void> {
    this.#count();
    this.#admission.leave();
    await this.#client?.close();
  }

  #begin(nowMs: number): void {
    this.#startedMs = nowMs;
    this.#client?.sendMetadata({
      videocodecid: 7,
      ...(this.#clip.audio === undefined ? {} : { audiocodecid: 10 }),
      encoder: 'sluice-load',
    });
    this.#admission.join(nowMs);
  }

  #send(packet: MediaPacket): void {
    const { track } = packet;
    const timestampMs = Math.round(packet.dtsUs / 1000);
    if (!this.#configured.has(track)) {
      this.#configured.add(track);
      const config = flvConfigTag(track);
      if (config !== undefined) this.#client?.sendMedia(track.kind, config, timestampMs);
    }
    this.#client?.sendMedia(track.kind, flvFrameTag(packet), timestampMs);
    this.#figures.counts.packets++;
    if (track.kind === 'video') this.#figures.counts.pictures++;
  }

  #count(): void {
    const bytes = this.#client?.bytesOut ?? 0;
    this.#figures.counts.bytes += bytes - this.#bytes;
    this.#bytes = bytes;
  }
}
