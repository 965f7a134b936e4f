import {
  h264Packetizer,
  h264Track,
  type MediaPacket,
  ntpOfUnixMs,
  parseRtcp,
  parseRtp,
  type RtcpPacket,
  type RtpExtension,
  videoSize,
  writeRtp,
  writeSenderReport,
} from '@sluice/media';
import { type RtpLanePacket, Stream, type StreamLayer } from '../../../core/index.ts';
import { DEFAULT_RECEIVE_OPTIONS, type NegotiatedLayer, type NegotiatedTrack } from '../options.ts';
import { PublisherMedia, type PublisherMediaOptions } from '../publisher-media.ts';
import { AUDIO, LOCAL_SSRC, pictureOf, VIDEO } from './scripted-publisher.ts';

const FRAME_MS = 1000 / 30;
const RID_ID = 10;
const REPAIRED_RID_ID = 11;
const TWCC_ID = 3;
const ORIENTATION_ID = 13;
const WALL_MS = Date.UTC(2026, 0, 1);

/** SPS of x264 for pictures of these sizes, and their PPS. */
const SPS: Readonly<Record<string, Uint8Array>> = {
  '160x120': Uint8Array.from(Buffer.from('6742c00bd902847e5c0440000003004000000f03c50a92', 'hex')),
  '320x240': Uint8Array.from(Buffer.from('6742c00dd90141fb0110000003001000000303c0f142a480', 'hex')),
  '640x480': Uint8Array.from(Buffer.from('6742c01ed900a03db0110000030001000003003c0f162e48', 'hex')),
};

const PPS = Uint8Array.of(0x68, 0xcb, 0x83, 0xcb, 0x20);

/** One encoding as the script sends it. */
export interface ScriptedLayer {
  readonly rid: string;
  readonly size: '160x120' | '320x240' | '640x480';
  readonly frameBytes: number;
  sends: boolean;
  /** Its packets say whose they are; else the offer has its SSRC. */
  readonly named: boolean;
}

export interface SimulcastScript {
  readonly layers?: readonly Partial<ScriptedLayer>[];
  readonly senderReports?: boolean;
  readonly media?: Partial<PublisherMediaOptions>;
  readonly stream?: Stream;
  /** One way for a layer's packet, milliseconds; undefined for one that gets lost. */
  readonly delay?: (rid: string, rtx: boolean) => number | undefined;
  /** Obeys REMB as browsers do: layers that it does not suffice for are left out, the last of the offer first. */
  readonly obeys?: boolean;
}

interface Sending extends ScriptedLayer {
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly timestampBy: number;
  sequence: number;
  rtxSequence: number;
  keyWanted: boolean;
  /** The byte of the extension for video orientation. */
  orientation: number;
  capped: boolean;
  readonly history: Map<number, Uint8Array>;
}

const USUAL: readonly ScriptedLayer[] = [
  { rid: 'q', size: '160x120', frameBytes: 400, sends: true, named: true },
  { rid: 'h', size: '320x240', frameBytes: 1600, sends: true, named: true },
  { rid: 'f', size: '640x480', frameBytes: 4000, sends: true, named: true },
];

/** A publisher of one picture in three encodings, in virtual time. */
export class SimulcastPublisher {
  readonly stream: Stream;
  readonly media: PublisherMedia;
  readonly layers: readonly Sending[];
  readonly published: { readonly packet: MediaPacket; readonly atMs: number }[] = [];
  readonly lane: RtpLanePacket[] = [];
  readonly rtcp: { readonly atMs: number; readonly packet: RtcpPacket }[] = [];
  nowMs = 1000;
  readonly #script: SimulcastScript;
  readonly #events: { atMs: number; run: () => void }[] = [];
  readonly #packetizer = h264Packetizer(1);
  readonly #reader;
  #frame = 0;
  #transport = 0;

  constructor(script: SimulcastScript = {}) {
    this.#script = script;
    const wanted = script.layers ?? USUAL;
    this.layers = wanted.map((layer, index) => ({
      ...(USUAL[index] ?? USUAL[0] ?? expectNever()),
      ...layer,
      ssrc: 0x1000 + index,
      rtxSsrc: 0x2000 + index,
      timestampBy: (index * 1_234_567_891) >>> 0,
      sequence: 65_500 + index * 1000,
      rtxSequence: 7,
      keyWanted: true,
      orientation: 0,
      capped: false,
      history: new Map(),
    }));
    this.stream = script.stream ?? new Stream('cam');
    this.stream.attachPublisher({ sessionId: 'test', close: () => {} });
    this.#reader = this.stream.attach({
      startAt: 'live',
      withoutPicture: true,
      onReadable: () => this.#read(),
      onEnd: () => {},
    });
    const lane = this.stream.rtp.video;
    const publish = lane.publish.bind(lane);
    // Listening would be watching.
    lane.publish = (packet) => {
      this.lane.push(packet);
      publish(packet);
    };
    this.media = new PublisherMedia({
      tracks: [simulcastTrack(this.layers.map((layer) => this.#negotiated(layer))), AUDIO],
      stream: this.stream,
      options: DEFAULT_RECEIVE_OPTIONS,
      localSsrc: LOCAL_SSRC,
      cname: 'sluice',
      sendRtcp: (bytes) => this.#receive(bytes),
      onFirstMedia: () => {},
      onActivityTimeout: () => {},
      ...script.media,
    });
    this.#at(this.nowMs, () => this.#capture());
    this.#at(this.nowMs, () => this.#tick());
    if (script.senderReports !== false) this.#at(this.nowMs + 300, () => this.#report());
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

  sending(rid: string): Sending {
    return this.layers.find((layer) => layer.rid === rid) ?? expectNever();
  }

  /** The stream's layer of that name. */
  layer(rid: string): StreamLayer {
    return this.stream.layers.find((layer) => layer.rid === rid) ?? expectNever();
  }

  /** Sizes of the stream's picture, in order, each once. */
  sizes(): string[] {
    const sizes = this.published.map(({ packet }) => sizeOf(packet));
    return sizes.filter((size, index) => size !== sizes[index - 1]);
  }

  size(): string | undefined {
    return this.sizes().at(-1);
  }

  got<K extends RtcpPacket['kind']>(kind: K): { atMs: number; packet: Extract<RtcpPacket, { kind: K }> }[] {
    return this.rtcp.filter(({ packet }) => packet.kind === kind) as never;
  }

  inject(bytes: Uint8Array): void {
    this.media.onRtp(parseRtp(bytes), this.nowMs);
  }

  #negotiated({ rid, named, ssrc, rtxSsrc }: Sending): NegotiatedLayer {
    return named ? { rid } : { rid, ssrc, rtxSsrc };
  }

  #read(): void {
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read())
      this.published.push({ packet: entry.packet, atMs: this.nowMs });
  }

  #at(atMs: number, run: () => void): void {
    this.#events.push({ atMs, run });
  }

  #tick(): void {
    this.media.tick(this.nowMs);
    this.#at(this.nowMs + 20, () => this.#tick());
  }

  #capture(): void {
    const index = this.#frame++;
    this.#at(1000 + this.#frame * FRAME_MS, () => this.#capture());
    for (const layer of this.layers) {
      if (!layer.sends || layer.capped) {
        layer.keyWanted = true;
        continue;
      }
      const key = layer.keyWanted;
      layer.keyWanted = false;
      this.#sendFrame(layer, index, key);
    }
  }

  #sendFrame(layer: Sending, index: number, key: boolean): void {
    const track = h264Track(0, [SPS[layer.size] ?? expectNever(), PPS]);
    const unit = pictureOf(index, key, layer.frameBytes);
    const packet = { track, units: [unit], ptsUs: 0, dtsUs: 0, key, byteLength: unit.length };
    for (const { payload, marker } of this.#packetizer.packetize(packet, 1100)) {
      const sequence = layer.sequence++ & 0xffff;
      const bytes = writeRtp(
        {
          payloadType: VIDEO.payloadType,
          marker,
          sequence,
          timestamp: (Math.round(index * 3000) + layer.timestampBy) >>> 0,
          ssrc: layer.ssrc,
          extensions: [
            ...this.#extensions(layer.named ? { id: RID_ID, rid: layer.rid } : undefined),
            { id: ORIENTATION_ID, value: Uint8Array.of(layer.orientation) },
          ],
        },
        payload,
      );
      layer.history.set(sequence, bytes);
      this.#send(layer.rid, bytes, false);
    }
  }

  #extensions(name: { id: number; rid: string } | undefined): RtpExtension[] {
    const number = this.#transport++ & 0xffff;
    const extensions: RtpExtension[] = [{ id: TWCC_ID, value: Uint8Array.of(number >> 8, number & 0xff) }];
    if (name !== undefined) extensions.push({ id: name.id, value: new TextEncoder().encode(name.rid) });
    return extensions;
  }

  #send(rid: string, bytes: Uint8Array, rtx: boolean): void {
    const delayMs = this.#script.delay === undefined ? 10 : this.#script.delay(rid, rtx);
    if (delayMs !== undefined) this.#at(this.nowMs + delayMs, () => this.inject(bytes));
  }

  #report(): void {
    for (const layer of this.layers) {
      const ntp = ntpOfUnixMs(WALL_MS + this.nowMs);
      const ticks = Math.round((this.nowMs - 1000) * 90);
      const rtpTimestamp = (ticks + layer.timestampBy) >>> 0;
      const counts = { packetCount: 1, octetCount: 1, reports: [] };
      this.media.onRtcp(
        parseRtcp(writeSenderReport({ ssrc: layer.ssrc, ...ntp, rtpTimestamp, ...counts })),
        this.nowMs,
      );
    }
    this.#at(this.nowMs + 1000, () => this.#report());
  }

  #receive(bytes: Uint8Array): void {
    for (const packet of parseRtcp(bytes)) {
      this.rtcp.push({ atMs: this.nowMs, packet });
      this.#at(this.nowMs + 10, () => this.#obey(packet));
    }
  }

  #obey(packet: RtcpPacket): void {
    const layer = 'mediaSsrc' in packet ? this.layers.find(({ ssrc }) => ssrc === packet.mediaSsrc) : undefined;
    if (packet.kind === 'pli' && layer !== undefined) layer.keyWanted = true;
    if (packet.kind === 'nack' && layer !== undefined) for (const lost of packet.lost) this.#repair(layer, lost);
    if (packet.kind === 'remb' && this.#script.obeys === true) this.#cap(packet.bitrateBps);
  }

  #cap(bitrateBps: number): void {
    let leftBps = bitrateBps;
    for (const sending of this.layers) {
      leftBps -= sending.frameBytes * 8 * 30;
      sending.capped = leftBps < 0;
    }
  }

  /** RFC 4588 §4. */
  #repair(layer: Sending, lost: number): void {
    const original = layer.history.get(lost);
    if (original === undefined) return;
    const { marker, timestamp, payload } = parseRtp(original);
    const own = new Uint8Array(2 + payload.length);
    own.set([lost >> 8, lost & 0xff]);
    own.set(payload, 2);
    const fields = {
      payloadType: VIDEO.rtxPayloadType ?? 0,
      marker,
      sequence: layer.rtxSequence++ & 0xffff,
      timestamp,
      ssrc: layer.rtxSsrc,
      extensions: this.#extensions(layer.named ? { id: REPAIRED_RID_ID, rid: layer.rid } : undefined),
    };
    this.#send(layer.rid, writeRtp(fields, own), true);
  }
}

/** The track of a publisher that sends its picture in these encodings. */
export function simulcastTrack(layers: readonly NegotiatedLayer[]): NegotiatedTrack {
  const extensions = {
    transportSequence: TWCC_ID,
    orientation: ORIENTATION_ID,
    rid: RID_ID,
    repairedRid: REPAIRED_RID_ID,
  };
  return { ...VIDEO, ssrc: undefined, rtxSsrc: undefined, layers, extensions };
}

/** A packet of any source that says it is of that encoding. */
export function namedPacket(fields: { ssrc: number; rid?: string; sequence: number; payload: Uint8Array }): Uint8Array {
  const { rid, payload, ...numbers } = fields;
  const extensions = rid === undefined ? [] : [{ id: RID_ID, value: new TextEncoder().encode(rid) }];
  return writeRtp(
    { payloadType: VIDEO.payloadType, marker: true, timestamp: numbers.sequence * 3000, ...numbers, extensions },
    payload,
  );
}

function sizeOf({ track }: MediaPacket): string {
  const size = videoSize(track);
  return size === undefined ? 'unknown' : `${size.width}x${size.height}`;
}

function expectNever(): never {
  throw new Error('the script has no such layer');
}
