import type { RecordingEvent } from './recording.ts';
import type { VideoForm } from './video-form.ts';

/**
 * How signalling of any kind (the Web SDK's WebSocket, later SIP over WebSocket or an SFU protocol) has WebRTC peers
 * publish and play, without knowing how that is done. WHIP and WHEP use the same gateway.
 */
export interface PeerGateway {
  /**
   * Answers the offer of a browser that wants to publish. The stream is taken at once; `onActive` says when it can be
   * played.
   * @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID, STREAM_LIMIT, SDP_INVALID, NO_COMMON_CODECS,
   * MEDIA_SESSION_BUSY or PEER_LIMIT
   */
  publish(request: PeerRequest): Promise<PeerSession>;
  /**
   * Answers the offer of a browser that wants to play.
   * @throws MediaServerError STREAM_NOT_FOUND, SDP_INVALID, NO_COMMON_CODECS, TRANSCODING_DISABLED,
   * TRANSCODING_LIMIT, MEDIA_SESSION_BUSY or PEER_LIMIT
   */
  play(request: PeerRequest): Promise<PeerSession>;
}

export interface PeerRequest {
  readonly streamName: string;
  /** Names the publication or playback; must not be in use. */
  readonly mediaSessionId: string;
  /** The signalling connection that it belongs to: `/<client ip>:<port>/<server ip>:<port>`. */
  readonly sessionId: string;
  readonly appKey: string;
  /** WCS's name of the provider: `WebRTC`. */
  readonly mediaProvider: string;
  readonly remoteAddress: string;
  readonly offer: string;
  /** The server's address as the client reached it by signalling: offered for media too when the settings name none. */
  readonly localAddress?: string | undefined;
  /** Video orientation (CVO) may be negotiated. */
  readonly videoOrientation: boolean;
  /** How media may come and go; absent: whatever the settings offer, the client chooses. */
  readonly transport?: 'udp' | 'tcp' | undefined;
  /** Limits that the client asks for, bits a second; 0 or absent for none. */
  readonly minBitrateBps?: number | undefined;
  readonly maxBitrateBps?: number | undefined;
  /** Player: the form of the picture that it asks for; the stream's own by default. */
  readonly picture?: VideoForm | undefined;
  /** What the authoriser is to see: parameters of the request, a bearer token as `token`. */
  readonly custom: Readonly<Record<string, string>>;
  /** Publisher: it is to be recorded from its first packet on. */
  readonly record?: boolean | undefined;
  /** Publisher: when its recording begins a new file (`RecordingConfig.rotation`); as the settings say by default. */
  readonly rotation?: string | undefined;
  /** Publisher: `login` of file names of recordings. */
  readonly login?: string | undefined;
  /** Player: where in a file to begin, microseconds. */
  readonly startUs?: number | undefined;
  /** How long a player waits for a stream that is not there yet, milliseconds. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly events: PeerEvents;
}

export interface PeerEvents {
  /** Publisher: the stream can be played by now. Player: media can flow. Once. */
  onActive(): void;
  /** The peer is over and all of it is released; not after `close` of its own session. Once. */
  onEnded(reason: PeerEndReason, detail: string): void;
  /** Publisher: something has happened to its recording. */
  onRecording?(event: RecordingEvent): void;
  /** Player: the size of the picture, as soon as it is known and whenever it changes. */
  onResize?(width: number, height: number): void;
  /** Player: the way to it carries less than the stream takes, both in bits a second; again when that has changed much. */
  onNotEnoughBandwidth?(streamBps: number, availableBps: number): void;
}

/** Why a peer ended; signalling turns them into words (websdk-signalling.md §6.3). */
export type PeerEndReason =
  /** No connectivity check came in time. */
  | 'ice_timeout'
  /** Checks stopped coming (RFC 7675). */
  | 'ice_keep_alive'
  | 'dtls_error'
  | 'dtls_fingerprint'
  /** The publisher sent no media for too long. */
  | 'rtp_activity'
  /** The stream that was played is over. */
  | 'publisher_stopped'
  /** The file that was played is at its end. */
  | 'file_finished'
  /** By the operator, through REST or the console. */
  | 'terminated'
  /** The peer itself closed the transport (DTLS close_notify). */
  | 'peer_closed'
  /** The stream became something that this player can't take and that is not converted. */
  | 'not_playable'
  | 'server_stops'
  | 'internal_error';

export interface PeerSession {
  readonly mediaSessionId: string;
  /** SDP answer, with all candidates. */
  readonly answer: string;
  /** Codecs of the answer by their names in SDP (`H264`, `opus`); undefined for media that is not exchanged. */
  readonly videoCodec: string | undefined;
  readonly audioCodec: string | undefined;
  /** How media goes at this moment; undefined before there is a way. */
  readonly transport?: 'udp' | 'tcp' | undefined;
  stats(): PeerStats;
  /**
   * New ICE credentials for the same DTLS association (RFC 8839 §4.4.1.1.1). Gives the server's new ones.
   * Candidates of the client need not be told: they are learnt from its checks.
   */
  restartIce(remote: IceCredentials): IceCredentials;
  /** Ends it at once. Idempotent; `onEnded` is not called. */
  close(): void;
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** Facts of this moment, for people and for the SDK's quality messages. */
export interface PeerStats {
  /** Rates over the last second, bits a second. */
  readonly videoBitrateBps: number;
  readonly audioBitrateBps: number;
  /** Smoothed round trip, milliseconds; undefined while unknown. */
  readonly rttMs: number | undefined;
  /** Packets lost between the peer and here, or here and the peer as it reports, since the beginning. */
  readonly packetsLost: number;
  readonly packets: number;
  readonly bytes: number;
}
