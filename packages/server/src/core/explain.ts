import type { Track } from '@sluice/media';

/*
 * What a protocol tells of a session to explain why there is, or isn't, picture and sound. Collected when somebody asks,
 * never on the way of media. Has addresses; never passwords, tokens or keys.
 */

/** One conversion of a stream's track, shared by all who take it in that codec. */
export interface ConversionFacts {
  readonly kind: Track['kind'];
  readonly from: string;
  readonly to: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** Forms of the stream that share it. */
  readonly users: number;
  /** Why it was given up; absent while it runs. */
  readonly failure?: string | undefined;
  readonly worker?: number | undefined;
  readonly cpuShare?: number | undefined;
  readonly busyShare?: number | undefined;
  readonly msPerFrame?: number | undefined;
  readonly queued?: number | undefined;
  readonly dropped?: number | undefined;
  readonly damaged?: number | undefined;
}

/** Why a codec of an offer is not used; see the contract's `ExplainRefusedCodec`. */
export interface RefusedCodec {
  readonly codec: string;
  readonly reason: 'not_offered' | 'disabled' | 'unknown' | 'profile' | 'other_sent' | 'other_preferred' | 'not_wanted';
  /** Plain English for people. */
  readonly text: string;
}

/** In what form a viewer gets a kind of media. */
export interface DeliveryFacts {
  readonly delivery: 'as_is' | 'converted' | 'left_out' | 'pending' | 'absent' | 'received';
  readonly codec?: string | undefined;
  readonly reason?: string | undefined;
  readonly conversion?: ConversionFacts | undefined;
}

/** Picture or sound of one session; what a protocol does not know is absent. Rates are a second, ages in milliseconds. */
export interface SessionMediaFacts extends DeliveryFacts {
  readonly kind: Track['kind'];
  readonly offered?: readonly string[] | undefined;
  readonly chosen?: string | undefined;
  readonly refused?: readonly RefusedCodec[] | undefined;
  readonly waitsForKeyFrame?: boolean | undefined;
  readonly lastKeyFrameAgeMs?: number | undefined;
  readonly packets?: number | undefined;
  readonly bytes?: number | undefined;
  readonly bitrateBps?: number | undefined;
  readonly packetsLost?: number | undefined;
  /** Share of the last report, 0 to 1. */
  readonly lossFraction?: number | undefined;
  readonly jitterMs?: number | undefined;
  readonly nacks?: number | undefined;
  readonly plis?: number | undefined;
  readonly firs?: number | undefined;
  readonly resent?: number | undefined;
  readonly resendMisses?: number | undefined;
  readonly recovered?: number | undefined;
  /** Name of the rendition that the viewer gets, where that is chosen by its bandwidth, and why not a better one. */
  readonly quality?: string | undefined;
  readonly qualityReason?: string | undefined;
  /** What the way to the viewer is believed to carry; absent while nothing speaks of a limit. */
  readonly bandwidthBps?: number | undefined;
  /** Which of the publisher's encodings the viewer gets (simulcast). */
  readonly layer?:
    | { readonly rid: string; readonly width?: number | undefined; readonly height?: number | undefined }
    | undefined;
  /** What is left of the picture, where the way does not carry all of it; and the frames that were left out. */
  readonly pictureLimit?: 'layer_1' | 'layer_0' | 'key_frames' | 'none' | undefined;
  readonly framesLeftOut?: number | undefined;
  /** How long packets wait here, and how much longer than the quickest on the way, milliseconds. */
  readonly queueMs?: number | undefined;
  readonly delayMs?: number | undefined;
}

/** An address that connectivity checks came from. */
export interface IcePairFacts {
  readonly via: 'udp' | 'tcp' | 'relay';
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly queuedBytes?: number | undefined;
  readonly dropped?: number | undefined;
  readonly checks: number;
  readonly lastCheckAgeMs: number;
  readonly selected: boolean;
  readonly nominated: boolean;
}

/** An address that checks came from which were made with another password, and how many. */
export interface IceRejectedFacts {
  readonly via: IcePairFacts['via'];
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly checks: number;
}

export interface IceFacts {
  readonly state: 'waiting' | 'connected' | 'lost' | 'closed';
  readonly serverCandidates: readonly string[];
  readonly clientCandidates: readonly string[];
  readonly pairs: readonly IcePairFacts[];
  /** The first few. */
  readonly rejected: readonly IceRejectedFacts[];
  readonly unauthentic: number;
  readonly replayed: number;
  readonly refused: number;
  readonly tooMany: number;
  readonly restarts: number;
  readonly firstCheckAfterMs?: number | undefined;
  readonly consentAgeMs?: number | undefined;
}

export interface DtlsFacts {
  readonly state: 'waiting' | 'handshake' | 'connected' | 'closed';
  /** The server's own. */
  readonly role: 'client' | 'server';
  readonly profile?: string | undefined;
  readonly handshakeMs?: number | undefined;
  readonly discardedRecords: number;
}

export interface WebRtcFacts {
  readonly ice: IceFacts;
  readonly dtls: DtlsFacts;
  readonly srtp: { readonly malformed: number; readonly unauthentic: number; readonly replayed: number };
  readonly roundTripMs?: number | undefined;
}

/** The connection of a session that goes by TCP. */
export interface TcpFacts {
  readonly secure?: boolean | undefined;
  readonly agent?: string | undefined;
  readonly queuedBytes: number;
  readonly blockedMs?: number | undefined;
  readonly behindMs?: number | undefined;
  readonly paused?: boolean | undefined;
  readonly chunkBytes?: number | undefined;
  readonly segments?: number | undefined;
  readonly targetSeconds?: number | undefined;
  readonly refusal?: string | undefined;
  readonly lastRequestAgeMs?: number | undefined;
}

/** All that a protocol can tell of one session at this moment. */
export interface SessionFacts {
  readonly webrtc?: WebRtcFacts | undefined;
  readonly tcp?: TcpFacts | undefined;
  readonly media: readonly SessionMediaFacts[];
}
