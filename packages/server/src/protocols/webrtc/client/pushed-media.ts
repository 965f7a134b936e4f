import type { RtcpPacket } from '@sluice/media';
import type { Adaptations, PushAttempt, RelayEnd } from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import type { LanePackagers } from '../../../rtp/index.ts';
import { acceptanceOf, playedMedia } from '../negotiation.ts';
import type { Peer } from '../peer.ts';
import { newSources } from '../send/local-sources.ts';
import { Playback } from '../send/playback.ts';
import { tracksKnown } from '../tracks-known.ts';
import type { AnsweredMedia, LocalSources } from '../wire/offer-answer/index.ts';
import { formatsOfStream, type SentFormats } from './formats-of-stream.ts';
import type { WebRtcRelayOptions } from './options.ts';
import { RelayFailure } from './relay-failure.ts';
import type { MediaOffer, RelayedMedia } from './relayed-media.ts';

export interface PushedMediaParts {
  readonly attempt: PushAttempt;
  readonly options: WebRtcRelayOptions;
  readonly adaptations: Adaptations;
  readonly packagers: LanePackagers;
  readonly ticker: Ticker;
}

/** How often it is looked at whether the stream has become something that must be offered anew. */
const LOOK_INTERVAL_MS = 500;
const KINDS = ['video', 'audio'] as const;

/** A stream on its way to another server: as a player has it that takes what the server has answered. */
export class PushedMedia implements RelayedMedia {
  flowing = false;
  readonly #parts: PushedMediaParts;
  #sending: LocalSources | undefined;
  #offered: SentFormats | undefined;
  #playback: Playback | undefined;
  #lookedMs = 0;

  constructor(parts: PushedMediaParts) {
    this.#parts = parts;
  }

  async prepare(): Promise<MediaOffer> {
    const { attempt, ticker } = this.#parts;
    await tracksKnown(attempt.source, ticker);
    const { video, audio, notes } = this.#formats();
    this.#offered = { video, audio, notes };
    for (const note of notes) attempt.events.onNote(note);
    if (video.length === 0 && audio.length === 0)
      throw new RelayFailure('invalid', 'the stream has nothing that can be sent by WebRTC');
    const sending = newSources({ video: video.length > 0, audio: audio.length > 0 });
    this.#sending = sending;
    return { offer: { direction: 'sendonly', video, audio, extensions: ['videoOrientation'] }, sending };
  }

  agree(answered: AnsweredMedia, peer: Peer): void {
    const { attempt, adaptations, packagers } = this.#parts;
    const sending = this.#sending;
    if (sending === undefined) return;
    for (const kind of KINDS)
      if (this.#offered?.[kind].length !== 0 && answered[kind] === undefined)
        attempt.events.onNote(`${kind} is left out: the other side does not take it`);
    this.#playback = new Playback(
      { stream: attempt.source, acceptance: acceptanceOf(answered), media: playedMedia(answered, sending) },
      { adaptations, packagers, sink: peer, cname: sending.cname, sendRtcp: (packet) => peer.sendRtcp(packet) },
    );
  }

  onConnected(nowMs: number): void {
    const { attempt } = this.#parts;
    attempt.events.onConnected();
    this.#playback?.start(nowMs);
    attempt.source.viewerReady();
  }

  onRtp(): void {
    // Nothing was offered to be received.
  }

  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void {
    this.#playback?.onRtcp(packets, nowMs);
  }

  tick(nowMs: number): void {
    this.#playback?.tick(nowMs);
    if (this.flowing || this.facts().packets === 0) return;
    this.flowing = true;
    this.#parts.attempt.events.onMedia();
  }

  verdict(nowMs: number): RelayEnd | undefined {
    if (nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return undefined;
    this.#lookedMs = nowMs;
    const { source } = this.#parts.attempt;
    if (source.ended) return { code: 'closed', message: 'the stream is over' };
    if (this.#playback?.isUnplayable === true)
      return { code: 'ended', message: 'the stream has other codecs by now: they are offered anew' };
    const grown = KINDS.find((kind) => this.#offered?.[kind].length === 0 && source.state[kind] !== undefined);
    if (grown === undefined || this.#formats()[grown].length === 0) return undefined;
    return { code: 'ended', message: `the stream has ${grown} by now: it is offered anew` };
  }

  requestKeyFrame(): void {
    this.#parts.attempt.source.requestKeyFrame();
  }

  facts() {
    const video = this.#playback?.sent('video').packets ?? 0;
    const audio = this.#playback?.sent('audio').packets ?? 0;
    return { packets: video + audio, queuedBytes: 0, drops: {}, lostPackets: this.#playback?.packetsLost ?? 0 };
  }

  close(): void {
    this.#playback?.close();
  }

  #formats(): SentFormats {
    const { attempt, adaptations, options } = this.#parts;
    const { source, options: wished } = attempt;
    return formatsOfStream({ stream: source, converts: adaptations.enabled, without: wished.without }, options);
  }
}
