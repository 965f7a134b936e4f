import { type Codec, type RtpPacket, textExtension } from '@sluice/media';
import type { LayerTrack } from './layers/layer-tracks.ts';
import type { NegotiatedTrack } from './options.ts';

/** A source that was silent for so long may be replaced by another one of the same payload type. */
const SILENCE_MS = 500;
/** Packets that a new source must have sent by then (RFC 3550 appendix A.1, MIN_SEQUENTIAL). */
const PROBATION = 2;
/** Sources that are observed for that at the same time. */
const MAX_CANDIDATES = 8;

/** Codecs of static payload types (RFC 3551 §6); null for those that no track here can have. */
const STATIC_CODECS: ReadonlyMap<number, Codec | null> = new Map<number, Codec | null>([
  ...[1, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 25, 28, 31, 32, 33, 34].map((type) => [type, null] as const),
  [0, 'pcmu'],
  [2, 'g726'],
  [8, 'pcma'],
  [9, 'g722'],
  [10, 'l16'],
  [11, 'l16'],
  [26, 'mjpeg'],
]);

/** What tells a packet's source. */
export type SourcedPacket = Pick<RtpPacket, 'ssrc' | 'payloadType'> & Partial<Pick<RtpPacket, 'extensions'>>;

/** Whose packet it is: media of a track, or a retransmission of it. */
export interface Source {
  readonly track: LayerTrack;
  readonly rtx: boolean;
}

/** What a packet's SSRC and payload type say. */
export interface Attribution extends Source {
  /** The SSRC is the track's from this packet on. */
  readonly changed: boolean;
}

interface Binding extends Source {
  readonly same: Attribution;
  ssrc: number | undefined;
  newestMs: number;
  /** Of a track that its packets' way tells: the payload type that they have. */
  payloadType: number;
  /** Of the packet before when it was of another source, which takes over with a second one in a row. */
  strangerSsrc: number | undefined;
}

interface Candidate {
  readonly ssrc: number;
  readonly payloadType: number;
  packets: number;
}

/**
 * Tells which track a packet belongs to. The SSRCs that the offer names are taken; where it names none, the first one
 * with the payload type is; among the encodings of one picture, the one that bears its name (RFC 8852), for as long as
 * that is unknown of a source. Another one takes over when the first has said goodbye or has been silent. Bounded: of
 * SSRCs that belong to nobody only a few are remembered.
 */
export class Sources {
  readonly #bindings: readonly Binding[];
  #candidates: Candidate[] = [];

  constructor(tracks: readonly LayerTrack[]) {
    const bindings: Binding[] = [];
    for (const track of tracks) {
      bindings.push(bindingOf(track, false, track.ssrc));
      if (track.rtxPayloadType !== undefined) bindings.push(bindingOf(track, true, track.rtxSsrc));
    }
    this.#bindings = bindings;
  }

  /** The track of a packet; undefined for one that belongs to none. Hot path: allocates nothing for known sources. */
  find(packet: SourcedPacket, nowMs: number): Attribution | undefined {
    const bindings = this.#bindings;
    let named = false;
    for (let i = 0; i < bindings.length; i++) {
      const binding = bindings[i];
      if (binding === undefined || payloadTypeOf(binding) !== packet.payloadType) continue;
      if (binding.ssrc === packet.ssrc) {
        binding.newestMs = nowMs;
        return binding.same;
      }
      if (binding.track.rid === undefined)
        return this.#isTakenOver(binding, packet, nowMs) ? this.#bind(binding, packet.ssrc, nowMs) : undefined;
      named = true;
    }
    return named ? this.#findByName(packet, nowMs) : undefined;
  }

  /** What a source that has not been heard before says of itself counts once: names are not looked at later. */
  #findByName(packet: SourcedPacket, nowMs: number): Attribution | undefined {
    for (const binding of this.#bindings) {
      const { track, rtx } = binding;
      if (track.rid === undefined || payloadTypeOf(binding) !== packet.payloadType) continue;
      if (nameOf(packet, track, rtx) !== track.rid) continue;
      return this.#isTakenOver(binding, packet, nowMs) ? this.#bind(binding, packet.ssrc, nowMs) : undefined;
    }
    return undefined;
  }

  /**
   * The same for a packet that came where only packets of this track come (a channel of RTSP). Its source and its
   * payload type may be others than described; but not those of another codec.
   */
  findOf(
    track: NegotiatedTrack,
    { ssrc, payloadType }: Pick<RtpPacket, 'ssrc' | 'payloadType'>,
    nowMs: number,
  ): Attribution | undefined {
    const binding = this.#bindings.find((candidate) => candidate.track === track && !candidate.rtx);
    if (binding === undefined || !this.#isOfCodec(binding, payloadType)) return undefined;
    if (binding.ssrc === ssrc) {
      binding.newestMs = nowMs;
      binding.strangerSsrc = undefined;
      return binding.same;
    }
    const replaced = binding.ssrc !== undefined;
    const silent = nowMs - binding.newestMs >= SILENCE_MS;
    if (replaced && !silent && binding.strangerSsrc !== ssrc) {
      binding.strangerSsrc = ssrc;
      return undefined;
    }
    binding.strangerSsrc = undefined;
    return this.#bind(binding, ssrc, nowMs);
  }

  #isOfCodec(binding: Binding, payloadType: number): boolean {
    if (binding.payloadType === payloadType) return true;
    const { track, ssrc } = binding;
    const standing = STATIC_CODECS.get(payloadType);
    if (standing === null || (standing !== undefined && standing !== track.codec)) return false;
    // What describes itself wrongly does so from its first packet on; what comes later is something else.
    if (ssrc !== undefined && payloadType !== track.payloadType) return false;
    binding.payloadType = payloadType;
    return true;
  }

  /** The track's own SSRC; undefined while there is none. */
  ssrcOf(track: LayerTrack): number | undefined {
    return this.#bindings.find((binding) => binding.track === track && !binding.rtx)?.ssrc;
  }

  /** The track that an SSRC is the media source of. */
  trackOf(ssrc: number): LayerTrack | undefined {
    return this.#bindings.find((binding) => binding.ssrc === ssrc && !binding.rtx)?.track;
  }

  /** A source says goodbye (RFC 3550 §6.6): the next one may take over at once. */
  bye(ssrc: number): void {
    for (const binding of this.#bindings) {
      if (binding.ssrc === ssrc) binding.newestMs = Number.NEGATIVE_INFINITY;
    }
  }

  #isTakenOver(binding: Binding, packet: Pick<RtpPacket, 'ssrc' | 'payloadType'>, nowMs: number): boolean {
    if (binding.ssrc === undefined) return true;
    // One packet of another source may be a stray; several while the first is silent are a change.
    const packets = this.#observe(packet);
    if (binding.newestMs === Number.NEGATIVE_INFINITY) return true;
    if (Number.isNaN(binding.newestMs)) binding.newestMs = nowMs;
    return packets >= PROBATION && nowMs - binding.newestMs >= SILENCE_MS;
  }

  #observe({ ssrc, payloadType }: Pick<RtpPacket, 'ssrc' | 'payloadType'>): number {
    let candidate = this.#candidates.find((known) => known.ssrc === ssrc && known.payloadType === payloadType);
    if (candidate === undefined) {
      candidate = { ssrc, payloadType, packets: 0 };
      if (this.#candidates.length >= MAX_CANDIDATES) this.#candidates.shift();
      this.#candidates.push(candidate);
    }
    return ++candidate.packets;
  }

  #bind(binding: Binding, ssrc: number, nowMs: number): Attribution {
    const replaced = binding.ssrc !== undefined;
    binding.ssrc = ssrc;
    binding.newestMs = nowMs;
    this.#candidates = this.#candidates.filter((candidate) => candidate.ssrc !== ssrc);
    // A new source has a new companion for its retransmissions.
    if (replaced && !binding.rtx)
      for (const other of this.#bindings) if (other.rtx && other.track === binding.track) other.ssrc = undefined;
    return { track: binding.track, rtx: binding.rtx, changed: true };
  }
}

function bindingOf(track: LayerTrack, rtx: boolean, ssrc: number | undefined): Binding {
  const { payloadType } = track;
  const same = { track, rtx, changed: false };
  return { track, rtx, same, ssrc, newestMs: Number.NaN, payloadType, strangerSsrc: undefined };
}

function payloadTypeOf(binding: Source): number | undefined {
  return binding.rtx ? binding.track.rtxPayloadType : binding.track.payloadType;
}

/** The encoding that a packet says it is of, or repairs. */
function nameOf({ extensions }: SourcedPacket, track: NegotiatedTrack, rtx: boolean): string | undefined {
  if (extensions === undefined) return undefined;
  const { rid, repairedRid } = track.extensions;
  const repaired = rtx && repairedRid !== undefined ? textExtension({ extensions }, repairedRid) : undefined;
  return repaired ?? (rid === undefined ? undefined : textExtension({ extensions }, rid));
}
