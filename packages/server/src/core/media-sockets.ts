import type { FanOutSink } from './fan-out-viewer.ts';
import type { PeerEvents, PeerStats } from './peer-gateway.ts';
import type { VideoForm } from './video-form.ts';

/** Providers of the Web SDK whose media goes over a second WebSocket (websdk-signalling.md §9 and §10). */
export type SocketProvider = 'MSE' | 'WSPlayer';

/** How signalling has players play over a WebSocket of theirs, without knowing what goes over it. */
export interface MediaSocketGateway {
  /** False for a provider that the settings turn off. */
  offers(provider: SocketProvider): boolean;
  /**
   * Admits a player. Its answer can be sent at once; media flows when its socket is attached.
   * @throws MediaServerError STREAM_NOT_FOUND, SDP_INVALID, NO_COMMON_CODECS, TRANSCODING_DISABLED, TRANSCODING_LIMIT,
   * MEDIA_SESSION_BUSY or PEER_LIMIT
   */
  play(request: MediaSocketRequest): Promise<MediaSocketSession>;
}

export interface MediaSocketRequest {
  readonly provider: SocketProvider;
  readonly streamName: string;
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly appKey: string;
  readonly remoteAddress: string;
  readonly offer: string;
  /** Form of the picture that the player asks for. */
  readonly picture?: VideoForm | undefined;
  readonly custom: Readonly<Record<string, string>>;
  /** How long it waits for a stream that is not there yet, milliseconds. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly events: PeerEvents;
}

/** A player over a WebSocket, as signalling sees it. */
export interface MediaSocketSession {
  readonly mediaSessionId: string;
  readonly answer: string;
  readonly videoCodec: string | undefined;
  readonly audioCodec: string | undefined;
  stats(): PeerStats;
  /** Media begins to flow into this socket; each write is one binary message. Once. */
  attach(socket: MediaSocket): void;
  /** Ends it at once, without a word; the socket is left to its owner. Idempotent. */
  close(): void;
}

/**
 * A WebSocket for media. What is written to it is whole WebSocket frames (RFC 6455 §5.2), which are made once for all
 * players. Its owner keeps it alive and answers what comes.
 */
export interface MediaSocket extends FanOutSink {
  /** Bytes that wait in it. */
  readonly queuedBytes: number;
  readonly secure: boolean;
  /** Called once when it is gone. */
  onGone(listener: () => void): void;
}
