import type { MediaPacket } from '@sluice/media';
import type { RtpLanePacket, Stream } from '../../../core/index.ts';
import { type TrackOutput, tellRotation } from '../track-output.ts';
import type { TrackReceiver } from '../track-receiver.ts';
import { LayerPausing } from './layer-pausing.ts';
import type { LayerTrack } from './layer-tracks.ts';
import { MainChoice } from './main-choice.ts';
import { MainFrames } from './main-frames.ts';
import { MainLane } from './main-lane.ts';
import { byQuality, ReceivedLayer } from './received-layer.ts';

export interface SimulcastOptions {
  readonly stream: Stream;
  /** The encodings, in the order of the offer. */
  readonly tracks: readonly LayerTrack[];
  /** Layers that nobody has watched for so long are kept back; undefined: they never are. */
  readonly pauseAfterMs: number | undefined;
  /** Clock of the publication, milliseconds. */
  nowMs(): number;
  /** What the publisher's sound takes, bits a second. */
  audioBps(): number;
  /** A frame has gone into the stream. */
  onPublished(): void;
}

interface Member {
  readonly track: LayerTrack;
  readonly layer: ReceivedLayer;
  receiver: TrackReceiver | undefined;
}

/**
 * The encodings in which a publisher sends one picture (RFC 8853): each is a layer of the stream, and the best of them that
 * comes is the stream's own picture.
 */
export class Simulcast {
  readonly #o: SimulcastOptions;
  readonly #members: readonly Member[];
  readonly #choice: MainChoice;
  readonly #lane: MainLane;
  readonly #frames: MainFrames;
  readonly #pausing: LayerPausing;
  #layers: readonly ReceivedLayer[];

  constructor(o: SimulcastOptions) {
    this.#o = o;
    this.#members = o.tracks.map((track, offered) => this.#memberOf(track, offered));
    this.#layers = this.#members.map(({ layer }) => layer);
    this.#choice = new MainChoice(this.#layers);
    this.#lane = new MainLane(o.stream.rtp.video, o.tracks[0]?.clockRate ?? 90_000);
    this.#frames = new MainFrames(o.stream);
    this.#pausing = new LayerPausing(o.pauseAfterMs ?? Number.POSITIVE_INFINITY);
    o.stream.setLayers(this.#layers);
  }

  /** Most that the publisher is to send, bits a second, so that it leaves out what nobody watches; undefined for all. */
  get capBps(): number | undefined {
    return this.#pausing.capBps;
  }

  layerOf(track: LayerTrack): ReceivedLayer | undefined {
    return this.#members.find((member) => member.track === track)?.layer;
  }

  /** Where what is received of a layer goes. */
  outputOf(track: LayerTrack): TrackOutput | undefined {
    const layer = this.layerOf(track);
    return (
      layer && {
        lane: layer.lane,
        packet: (packet) => this.#packet(layer, packet),
        frame: (packet) => this.#frame(layer, packet),
        rotation: (turns) => {
          layer.rotation = turns;
          if (layer === this.#frames.current) tellRotation(this.#o.stream, turns);
        },
      }
    );
  }

  /** Tells at any time whether a layer's frames are needed. */
  framesNeededOf(track: LayerTrack): (() => boolean) | undefined {
    const layer = this.layerOf(track);
    return layer && (() => this.#isPictured(layer) || layer.pixels === 0);
  }

  /** Must be told who receives a layer before its first packet. */
  setReceiver(receiver: TrackReceiver): void {
    for (const member of this.#members) if (member.track === receiver.track) member.receiver = receiver;
  }

  /** Asks for a key frame of the stream's own picture. */
  requestKeyFrame(): void {
    const layers = [this.#choice.main, this.#frames.current];
    for (const { layer, receiver } of this.#members)
      if (layers.includes(layer) || (this.#choice.main === undefined && layer.active)) receiver?.keyFrames.want();
  }

  /** Does what is due. Called about every 20 ms. */
  tick(nowMs: number): void {
    for (const layer of this.#layers) layer.tick(nowMs);
    const { stream, pauseAfterMs } = this.#o;
    const picture = pauseAfterMs === undefined || stream.pictureReaderCount > 0 || stream.rtp.video.listenerCount > 0;
    const { current: shown } = this.#frames;
    const known = this.#layers.filter(({ pixels }) => pixels > 0);
    // One that has never come may be the best; it is not one that could stay.
    const layers = known.length === 0 ? [] : [...this.#layers.filter(({ pixels }) => pixels === 0), ...known];
    const resumed = this.#pausing.tick(nowMs, { layers, picture, shown, audioBps: this.#o.audioBps() });
    for (const layer of resumed) this.#choice.trust(layer);
    this.#lane.takeOver();
    const wanted = this.#pausing.best;
    const best = wanted === undefined || wanted.pixels === 0 ? this.#layers[0] : wanted;
    if (best !== undefined) this.#choose(nowMs, best);
    for (const { layer, receiver } of this.#members)
      if (receiver !== undefined) receiver.needed = this.#isNeeded(layer);
  }

  /** Nothing comes any more. */
  close(): void {
    for (const layer of this.#layers) layer.newestMs = Number.NEGATIVE_INFINITY;
    if (this.#o.stream.layers === this.#layers) this.#o.stream.setLayers([]);
  }

  #choose(nowMs: number, best: ReceivedLayer): void {
    const before = this.#choice.main;
    this.#choice.tick(nowMs, best);
    const { main } = this.#choice;
    if (main === before || main === undefined) return;
    const receiver = this.#members.find(({ layer }) => layer === main)?.receiver;
    if (receiver === undefined) return;
    receiver.needed = true;
    if (this.#frames.current !== main || this.#lane.current !== main) receiver.keyFrames.want();
  }

  #memberOf(track: LayerTrack, offered: number): Member {
    const member: Member = {
      track,
      receiver: undefined,
      layer: new ReceivedLayer({
        rid: track.rid ?? String(offered),
        offered,
        nowMs: () => this.#o.nowMs(),
        bitsPerSecond: () => member.receiver?.rate.bitsPerSecond(this.#o.nowMs()) ?? 0,
        requestKeyFrame: () => member.receiver?.keyFrames.want(),
      }),
    };
    return member;
  }

  /** Hot path. */
  #packet(layer: ReceivedLayer, packet: RtpLanePacket): void {
    layer.packet(packet);
    this.#choice.heard(layer, packet.startPoint, layer.newestMs);
    this.#lane.packet(layer, packet, this.#choice.main);
  }

  #frame(layer: ReceivedLayer, packet: MediaPacket): void {
    if (layer.frame(packet)) this.#order();
    const before = this.#frames.current;
    if (!this.#frames.frame(layer, packet, layer === this.#choice.main)) return;
    if (layer !== before) tellRotation(this.#o.stream, layer.rotation);
    this.#o.onPublished();
  }

  #order(): void {
    const ordered = this.#layers.toSorted(byQuality);
    if (ordered.every((layer, index) => layer === this.#layers[index])) return;
    this.#layers = ordered;
    this.#o.stream.setLayers(ordered);
  }

  /** Its frames are those of the picture, or are about to be. */
  #isPictured(layer: ReceivedLayer): boolean {
    return layer === this.#choice.main || layer === this.#frames.current;
  }

  #isNeeded(layer: ReceivedLayer): boolean {
    return this.#isPictured(layer) || layer === this.#lane.current || layer.watched || layer.pixels === 0;
  }
}
