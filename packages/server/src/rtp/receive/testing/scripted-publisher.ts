import {
  compactNtp,
  h264Packetizer,
  h264Track,
  type MediaPacket,
  ntpOfUnixMs,
  parseRtcp,
  parseRtp,
  type RtcpPacket,
  type RtpPacketizer,
  type Track,
  writeExtendedReport,
  writeRtp,
  writeSenderReport,
} from '@sluice/media';
import { type RtpLanePacket, Stream } from '../../../core/index.ts';
import { DEFAULT_RECEIVE_OPTIONS, type NegotiatedTrack, type ReceiveOptions } from '../options.ts';
import { PublisherMedia, type PublisherMediaOptions } from '../publisher-media.ts';
import { pictureOf, redundantSound, soundOf } from './numbered-media.ts';

export { numberOf, pictureOf, soundOf } from './numbered-media.ts';

export const VIDEO_SSRC = 0x11111111;
export const VIDEO_RTX_SSRC = 0x22222222;
export const AUDIO_SSRC = 0x33333333;
export const LOCAL_SSRC = 0x44444444;
const TWCC_ID = 3;
const ORIENTATION_ID = 13;

const FEEDBACK = { nack: true, pli: true, fir: true, transportCc: true, remb: true };

export const VIDEO: NegotiatedTrack = {
  kind: 'video',
  codec: 'h264',
  payloadType: 102,
  rtxPayloadType: 103,
  clockRate: 90_000,
  ssrc: VIDEO_SSRC,
  rtxSsrc: VIDEO_RTX_SSRC,
  packetizationMode: 1,
  feedback: FEEDBACK,
  extensions: { transportSequence: TWCC_ID, orientation: ORIENTATION_ID },
};

/** As Chromium offers sound: nothing is asked for again. */
export const AUDIO: NegotiatedTrack = {
  kind: 'audio',
  codec: 'opus',
  payloadType: 111,
  clockRate: 48_000,
  ssrc: AUDIO_SSRC,
  feedback: { ...FEEDBACK, nack: false, pli: false, fir: false, remb: false },
  extensions: { transportSequence: TWCC_ID },
};

/** An SPS and a PPS as x264 writes them for 320x240 baseline. */
export const PARAMETERS = [
  Uint8Array.of(0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00),
  Uint8Array.of(0x68, 0xce, 0x0f, 0xc8),
];

/** One RTP packet on its way, as the script sees it. */
export interface Sent {
  readonly kind: 'video' | 'audio';
  readonly rtx: boolean;
  /** Counts the packets of its kind that were sent, retransmissions too, from 0. */
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface Script {
  readonly tracks?: readonly NegotiatedTrack[];
  readonly options?: Partial<ReceiveOptions>;
  readonly media?: Partial<PublisherMediaOptions>;
  readonly stream?: Stream;
  /** First sequence number and timestamp of both tracks. */
  readonly firstSequence?: number;
  readonly firstTimestamp?: number;
  /** One way, milliseconds; several for a packet that comes more than once, or undefined for one that gets lost. */
  readonly delay?: (sent: Sent) => number | readonly number[] | undefined;
  /** From capture to sending, milliseconds. */
  readonly videoLatencyMs?: number;
  readonly keyInterval?: number;
  readonly frameBytes?: number;
  /** Answers NACKs, by RTX when negotiated. */
  readonly retransmits?: boolean;
  /** Answers requests for key frames. */
  readonly answersPli?: boolean;
  readonly senderReports?: boolean;
  /** Sound is sent with so many earlier pieces in each packet (RFC 2198), where the track has a payload type for that. */
  readonly redundancy?: number;
  /** What packets of sound say of their level (RFC 6464), where the track has an extension for that. */
  readonly audioLevel?: number;
  /** One way of RTCP in either direction, milliseconds, or undefined for what gets lost; 10 by default. */
  readonly rtcpDelay?: () => number | undefined;
  /** Pictures a second; 30 by default. */
  readonly frameRate?: number;
  /** A packet is not sent again when that was less than so long ago, as in Chromium; 0 by default. */
  readonly resendIntervalMs?: number;
  /** Answers what asks for the round trip (RFC 3611 §4.5); true by default. */
  readonly answersXr?: boolean;
}

interface Event {
  readonly atMs: number;
  run(): void;
}

const SOUND_MS = 20;

/**
 * A publisher that captures 30 pictures and 50 pieces of sound a second on a clock of the test's own, and the network
 * between it and `PublisherMedia`. Nothing of it takes real time.
 */
export class ScriptedPublisher {
  readonly stream: Stream;
  readonly media: PublisherMedia;
  readonly published: MediaPacket[] = [];
  readonly lane: { video: RtpLanePacket[]; audio: RtpLanePacket[] } = { video: [], audio: [] };
  /** RTCP that the publisher got, with the time when it was sent. */
  readonly rtcp: { readonly atMs: number; readonly packets: readonly RtcpPacket[]; readonly bytes: number }[] = [];
  readonly ends: string[] = [];
  firstMediaMs = Number.NaN;
  nowMs = 1000;
  /** What is captured; tests switch it. */
  readonly captures = { video: true, audio: true };
  videoSsrc = VIDEO_SSRC;
  /** The byte of the extension for video orientation. */
  orientation = 1;
  #keyWanted = false;
  readonly #script: Script;
  readonly #track: Track = h264Track(0, PARAMETERS);
  readonly #packetizer: RtpPacketizer = h264Packetizer(1);
  readonly #events: Event[] = [];
  readonly #history = new Map<number, Uint8Array>();
  readonly #resentMs = new Map<number, number>();
  readonly #startMs = this.nowMs;
  readonly #sent = { video: 0, audio: 0 };
  #frame = 0;
  #sound = 0;
  #videoSequence: number;
  #audioSequence: number;
  #rtxSequence = 5;
  #transportSequence = 65_000;
  #timestampShift = 0;

  constructor(script: Script = {}) {
    this.#script = script;
    this.#videoSequence = script.firstSequence ?? 100;
    this.#audioSequence = script.firstSequence ?? 7000;
    this.stream = script.stream ?? new Stream('cam');
    this.stream.attachPublisher({ sessionId: 'test', close: () => {} });
    const reader = this.stream.attach({ startAt: 'live', onReadable: () => read(), onEnd: () => {} });
    const read = (): void => {
      for (let entry = reader.read(); entry !== undefined; entry = reader.read()) this.published.push(entry.packet);
    };
    this.stream.rtp.video.attach((packet) => this.lane.video.push(packet));
    this.stream.rtp.audio.attach((packet) => this.lane.audio.push(packet));
    this.media = new PublisherMedia({
      tracks: script.tracks ?? [VIDEO, AUDIO],
      stream: this.stream,
      options: { ...DEFAULT_RECEIVE_OPTIONS, ...script.options },
      localSsrc: LOCAL_SSRC,
      cname: 'sluice',
      sendRtcp: (bytes) => this.#receive(bytes),
      onFirstMedia: () => {
        this.firstMediaMs = this.nowMs - this.#startMs;
      },
      onActivityTimeout: (detail) => this.ends.push(detail),
      ...script.media,
    });
    this.#at(this.nowMs, () => this.#captureVideo());
    this.#at(this.nowMs, () => this.#captureAudio());
    this.#at(this.nowMs, () => this.#tick());
    if (script.senderReports === true) this.#at(this.nowMs + 200, () => this.#report());
  }

  /** Lets time pass. */
  run(durationMs: number): this {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      let next = 0;
      for (let i = 1; i < this.#events.length; i++)
        if ((this.#events[i]?.atMs ?? 0) < (this.#events[next]?.atMs ?? 0)) next = i;
      const event = this.#events[next];
      if (event === undefined || event.atMs > endMs) break;
      this.#events.splice(next, 1);
      this.nowMs = event.atMs;
      event.run();
    }
    this.nowMs = endMs;
    return this;
  }

  /** Sends bytes of the test's own at once, past the network. */
  inject(fields: {
    readonly ssrc: number;
    readonly payloadType: number;
    readonly sequence: number;
    readonly timestamp: number;
    readonly marker?: boolean;
    readonly payload: Uint8Array;
  }): void {
    this.media.onRtp(parseRtp(writeRtp({ marker: false, ...fields }, fields.payload)), this.nowMs);
  }

  /** Packets that carry nothing on the video's own source, as senders without RTX probe with. */
  sendPadding(count: number): void {
    for (let i = 0; i < count; i++)
      this.#send('video', this.#videoRtp(new Uint8Array(0), false, this.#clockOf(90_000)));
  }

  /** The video goes on with these numbers. */
  jumpVideo(to: { readonly sequence?: number; readonly timestampBy?: number; readonly ssrc?: number }): void {
    if (to.sequence !== undefined) this.#videoSequence = to.sequence;
    if (to.ssrc !== undefined) this.videoSsrc = to.ssrc;
    this.#timestampShift += to.timestampBy ?? 0;
  }

  nextVideoSequence(): number {
    return this.#videoSequence & 0xffff;
  }

  /** All RTCP packets of a kind that the publisher got. */
  got<K extends RtcpPacket['kind']>(kind: K): Extract<RtcpPacket, { kind: K }>[] {
    return this.rtcp.flatMap(({ packets }) => packets).filter((packet) => packet.kind === kind) as never;
  }

  /** Sends a sender report that says these things, at once. */
  sendReport(kind: 'video' | 'audio', report: { readonly unixMs?: number; readonly ntpSeconds?: number } = {}): void {
    const ntp = ntpOfUnixMs(report.unixMs ?? WALL_MS + this.nowMs);
    const rate = kind === 'video' ? 90_000 : 48_000;
    const bytes = writeSenderReport({
      ssrc: kind === 'video' ? this.videoSsrc : AUDIO_SSRC,
      ntpSeconds: report.ntpSeconds ?? ntp.ntpSeconds,
      ntpFraction: ntp.ntpFraction,
      rtpTimestamp: (this.#clockOf(rate) + (kind === 'video' ? this.#timestampShift : 0)) >>> 0,
      packetCount: 1,
      octetCount: 1,
      reports: [],
    });
    this.media.onRtcp(parseRtcp(bytes), this.nowMs);
  }

  #at(atMs: number, run: () => void): void {
    this.#events.push({ atMs, run });
  }

  #tick(): void {
    this.media.tick(this.nowMs);
    this.#at(this.nowMs + 20, () => this.#tick());
  }

  #report(): void {
    this.sendReport('video');
    this.sendReport('audio');
    this.#at(this.nowMs + 1000, () => this.#report());
  }

  /** Ticks of the publisher's clock now. */
  #clockOf(rate: number): number {
    const first = this.#script.firstTimestamp ?? 0;
    return Math.round(first + ((this.nowMs - this.#startMs) / 1000) * rate);
  }

  #captureVideo(): void {
    const index = this.#frame++;
    this.#at(this.#startMs + (this.#frame * 1000) / (this.#script.frameRate ?? 30), () => this.#captureVideo());
    if (!this.captures.video || !this.#has('video')) return;
    const timestamp = this.#clockOf(90_000);
    const latencyMs = this.#script.videoLatencyMs ?? 0;
    if (latencyMs === 0) this.#sendFrame(index, timestamp);
    else this.#at(this.nowMs + latencyMs, () => this.#sendFrame(index, timestamp));
  }

  #sendFrame(index: number, timestamp: number): void {
    const key = index % (this.#script.keyInterval ?? 60) === 0 || this.#keyWanted;
    this.#keyWanted = false;
    const unit = pictureOf(index, key, this.#script.frameBytes ?? 3000);
    const packet = { track: this.#track, units: [unit], ptsUs: 0, dtsUs: 0, key, byteLength: unit.length };
    for (const { payload, marker } of this.#packetizer.packetize(packet, 1100))
      this.#send('video', this.#videoRtp(payload, marker, timestamp));
  }

  #videoRtp(payload: Uint8Array, marker: boolean, timestamp: number): Uint8Array {
    const sequence = this.#videoSequence++ & 0xffff;
    const bytes = writeRtp(
      {
        payloadType: VIDEO.payloadType,
        marker,
        sequence,
        timestamp: (timestamp + this.#timestampShift) >>> 0,
        ssrc: this.videoSsrc,
        extensions: [
          this.#transportNumber(),
          ...(marker ? [{ id: ORIENTATION_ID, value: Uint8Array.of(this.orientation) }] : []),
        ],
      },
      payload,
    );
    this.#history.set(sequence, bytes);
    this.#resentMs.delete(sequence);
    if (this.#history.size > 1000) this.#history.delete(this.#history.keys().next().value ?? 0);
    return bytes;
  }

  #transportNumber(): { id: number; value: Uint8Array } {
    const number = this.#transportSequence++ & 0xffff;
    return { id: TWCC_ID, value: Uint8Array.of(number >> 8, number & 0xff) };
  }

  #captureAudio(): void {
    const index = this.#sound++;
    this.#at(this.#startMs + this.#sound * SOUND_MS, () => this.#captureAudio());
    if (!this.captures.audio || !this.#has('audio')) return;
    const sequence = this.#audioSequence++ & 0xffff;
    const timestamp = this.#clockOf(48_000) >>> 0;
    const track = (this.#script.tracks ?? [AUDIO]).find(({ kind }) => kind === 'audio') ?? AUDIO;
    const level = track.extensions.audioLevel;
    const extensions = [
      this.#transportNumber(),
      ...(level === undefined ? [] : [{ id: level, value: Uint8Array.of(this.#script.audioLevel ?? 127) }]),
    ];
    const { payload, payloadType } = this.#withRedundancy(track, index);
    const fields = { payloadType, marker: false, sequence, timestamp, ssrc: AUDIO_SSRC, extensions };
    this.#send('audio', writeRtp(fields, payload));
  }

  #withRedundancy(track: NegotiatedTrack, index: number): { payload: Uint8Array; payloadType: number } {
    const { redPayloadType, payloadType } = track;
    const { redundancy } = this.#script;
    if (redPayloadType === undefined || redundancy === undefined) return { payload: soundOf(index), payloadType };
    return { payload: redundantSound(index, Math.min(index, redundancy), payloadType), payloadType: redPayloadType };
  }

  #has(kind: 'video' | 'audio'): boolean {
    return (this.#script.tracks ?? [VIDEO, AUDIO]).some((track) => track.kind === kind);
  }

  #send(kind: 'video' | 'audio', bytes: Uint8Array, rtx = false): void {
    const delayMs =
      this.#script.delay === undefined ? 10 : this.#script.delay({ kind, rtx, index: this.#sent[kind]++, bytes });
    for (const one of typeof delayMs === 'object' ? delayMs : [delayMs])
      if (one !== undefined) this.#at(this.nowMs + one, () => this.media.onRtp(parseRtp(bytes), this.nowMs));
  }

  /** RTCP on its way to the publisher. */
  #receive(bytes: Uint8Array): void {
    const packets = parseRtcp(bytes);
    this.rtcp.push({ atMs: this.nowMs - this.#startMs, packets, bytes: bytes.length });
    this.#sendRtcp(() => {
      for (const packet of packets) {
        if (packet.kind === 'nack' && this.#script.retransmits !== false) this.#retransmit(packet.lost);
        if ((packet.kind === 'pli' || packet.kind === 'fir') && this.#script.answersPli !== false)
          this.#keyWanted = true;
        if (packet.kind === 'xr' && packet.receiverReference !== undefined && this.#script.answersXr !== false)
          this.#answer(compactNtp(packet.receiverReference));
      }
    });
  }

  #sendRtcp(arrive: () => void): void {
    const delayMs = this.#script.rtcpDelay === undefined ? 10 : this.#script.rtcpDelay();
    if (delayMs !== undefined) this.#at(this.nowMs + delayMs, arrive);
  }

  #answer(lastReceiverReference: number): void {
    const dlrr = [{ ssrc: LOCAL_SSRC, lastReceiverReference, delaySinceLastReference: 0 }];
    const bytes = writeExtendedReport({ ssrc: this.videoSsrc, receiverReference: undefined, dlrr });
    this.#sendRtcp(() => this.media.onRtcp(parseRtcp(bytes), this.nowMs));
  }

  #retransmit(lost: readonly number[]): void {
    for (const sequence of lost) {
      const original = this.#history.get(sequence);
      const resentMs = this.#resentMs.get(sequence) ?? Number.NEGATIVE_INFINITY;
      if (original === undefined || this.nowMs - resentMs < (this.#script.resendIntervalMs ?? 0)) continue;
      this.#resentMs.set(sequence, this.nowMs);
      const rtx = (this.#script.tracks ?? [VIDEO]).some((track) => track.rtxPayloadType !== undefined);
      this.#send('video', rtx ? this.#rtxOf(original) : original, true);
    }
  }

  /** RFC 4588 §4: the original's number before its payload. */
  #rtxOf(original: Uint8Array): Uint8Array {
    const packet = parseRtp(original);
    const payload = new Uint8Array(2 + packet.payload.length);
    payload.set([packet.sequence >> 8, packet.sequence & 0xff]);
    payload.set(packet.payload, 2);
    return writeRtp(
      {
        payloadType: VIDEO.rtxPayloadType ?? 0,
        marker: packet.marker,
        sequence: this.#rtxSequence++ & 0xffff,
        timestamp: packet.timestamp,
        ssrc: VIDEO_RTX_SSRC,
        extensions: [this.#transportNumber()],
      },
      payload,
    );
  }
}

const WALL_MS = Date.UTC(2026, 0, 1);
