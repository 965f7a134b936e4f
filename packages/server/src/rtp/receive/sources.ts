import type { RtpPacket } from '@sluice/media';
import type { NegotiatedTrack } from './options.ts';

/** A source that was silent for so long may be replaced by another one of the same payload type. */
const SILENCE_MS = 500;
/** Packets that a new source must have sent by then (RFC 3550 appendix A.1, MIN_SEQUENTIAL). */
const PROBATION = 2;
/** Sources that are observed for that at the same time. */
const MAX_CANDIDATES = 8;

/** Whose packet it is: media of a track, or a retransmission of it. */
export interface Source {
  readonly track: NegotiatedTrack;
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
}

interface Candidate {
  readonly ssrc: number;
  readonly payloadType: number;
  packets: number;
}

/**
 * Tells which track a packet belongs to. The SSRCs that the offer names are taken; where it names none, the first one
 * with the payload type is. Another one takes over when the first has said goodbye or has been silent. Bounded: of
 * SSRCs that belong to nobody only a few are remembered.
 */
export class Sources {
  readonly #bindings: readonly Binding[];
  #candidates: Candidate[] = [];

  constructor(tracks: readonly NegotiatedTrack[]) {
    const bindings: Binding[] = [];
    for (const track of tracks) {
      bindings.push(bindingOf(track, false, track.ssrc));
      if (track.rtxPayloadType !== undefined) bindings.push(bindingOf(track, true, track.rtxSsrc));
    }
    this.#bindings = bindings;
  }

  /** The track of a packet; undefined for one that belongs to none. Hot path: allocates nothing for known sources. */
  find(packet: Pick<RtpPacket, 'ssrc' | 'payloadType'>, nowMs: number): Attribution | undefined {
    const bindings = this.#bindings;
    for (let i = 0; i < bindings.length; i++) {
      const binding = bindings[i];
      if (binding === undefined || payloadTypeOf(binding) !== packet.payloadType) continue;
      if (binding.ssrc === packet.ssrc) {
        binding.newestMs = nowMs;
        return binding.same;
      }
      return this.#isTakenOver(binding, packet, nowMs) ? this.#bind(binding, packet.ssrc, nowMs) : undefined;
    }
    return undefined;
  }

  /** The track's own SSRC; undefined while there is none. */
  ssrcOf(track: NegotiatedTrack): number | undefined {
    return this.#bindings.find((binding) => binding.track === track && !binding.rtx)?.ssrc;
  }

  /** The track that an SSRC is the media source of. */
  trackOf(ssrc: number): NegotiatedTrack | undefined {
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

function bindingOf(track: NegotiatedTrack, rtx: boolean, ssrc: number | undefined): Binding {
  return { track, rtx, same: { track, rtx, changed: false }, ssrc, newestMs: Number.NaN };
}

function payloadTypeOf(binding: Source): number | undefined {
  return binding.rtx ? binding.track.rtxPayloadType : binding.track.payloadType;
}
