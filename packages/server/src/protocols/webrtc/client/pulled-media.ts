import type { RtcpPacket, RtpPacket } from '@sluice/media';
import type { Counters, PullAttempt, RelayEnd } from '../../../core/index.ts';
import { type NegotiatedTrack, PublisherMedia } from '../../../rtp/index.ts';
import { receivedTracks } from '../negotiation.ts';
import type { Peer } from '../peer.ts';
import { newCname, newSsrc } from '../send/local-sources.ts';
import type { AnsweredMedia, FormatToOffer } from '../wire/offer-answer/index.ts';
import type { WebRtcRelayOptions } from './options.ts';
import type { MediaOffer, RelayedMedia } from './relayed-media.ts';

export interface PulledMediaParts {
  readonly attempt: PullAttempt;
  readonly options: WebRtcRelayOptions;
  readonly counters: Counters;
}

/** What another server sends, on its way into the relay's stream. */
export class PulledMedia implements RelayedMedia {
  flowing = false;
  readonly #parts: PulledMediaParts;
  #peer: Peer | undefined;
  #tracks: readonly NegotiatedTrack[] = [];
  #media: PublisherMedia | undefined;
  /** When a packet with media came last; of the connection before the first. */
  #heardMs = 0;

  constructor(parts: PulledMediaParts) {
    this.#parts = parts;
  }

  prepare(): Promise<MediaOffer> {
    const { videoCodecs, audioCodecs, h264Profiles, transportCc } = this.#parts.options;
    const video = videoCodecs.flatMap((codec): FormatToOffer[] =>
      codec === 'h264' ? h264Profiles.map((profileLevelId) => ({ codec, profileLevelId })) : [{ codec }],
    );
    const extensions = transportCc ? (['transportCc', 'videoOrientation'] as const) : (['videoOrientation'] as const);
    const audio = audioCodecs.map((codec) => ({ codec }));
    return Promise.resolve({ offer: { direction: 'recvonly', video, audio, extensions }, sending: undefined });
  }

  agree(answered: AnsweredMedia, peer: Peer): void {
    this.#peer = peer;
    this.#tracks = receivedTracks(answered);
    const { onNote } = this.#parts.attempt.events;
    if (answered.video === undefined) onNote('the other side sends no picture');
    if (answered.audio === undefined) onNote('the other side sends no sound');
  }

  onConnected(nowMs: number): void {
    const { attempt, options, counters } = this.#parts;
    this.#heardMs = nowMs;
    // The stream is made ready for a source that begins anew before anything of it is looked at.
    attempt.events.onConnected();
    this.#media = new PublisherMedia({
      tracks: this.#tracks,
      stream: attempt.stream,
      // Whether media stops is judged here, by the time that relays have.
      options: { ...options.receiveOptionsFor(attempt.stream.name), activityTimeoutMs: 0 },
      localSsrc: newSsrc(),
      cname: newCname(),
      onClockBreak: () => counters.count('source_clock_breaks'),
      sendRtcp: (packet) => this.#peer?.sendRtcp(packet),
      onFirstMedia: () => {
        this.flowing = true;
        attempt.events.onMedia();
      },
      onActivityTimeout: () => {},
    });
    // Who joins in the midst of a group of pictures would wait for the next one otherwise.
    this.#media.requestKeyFrame();
  }

  onRtp(packet: RtpPacket, nowMs: number): void {
    if (packet.payload.length > 0) this.#heardMs = nowMs;
    this.#media?.onRtp(packet, nowMs);
  }

  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void {
    this.#media?.onRtcp(packets, nowMs);
  }

  tick(nowMs: number): void {
    this.#media?.tick(nowMs);
  }

  verdict(nowMs: number): RelayEnd | undefined {
    const { stallTimeoutMs } = this.#parts.attempt;
    if (nowMs - this.#heardMs <= stallTimeoutMs) return undefined;
    return { code: 'stalled', message: `no media came for ${stallTimeoutMs} ms` };
  }

  requestKeyFrame(): void {
    this.#media?.requestKeyFrame();
  }

  facts() {
    const stats = this.#media?.stats();
    return {
      packets: stats?.packets ?? 0,
      queuedBytes: stats?.queuedBytes ?? 0,
      drops: stats?.drops ?? {},
      lostPackets: stats?.packetsLost ?? 0,
    };
  }

  close(): void {
    this.#media?.close();
  }
}
