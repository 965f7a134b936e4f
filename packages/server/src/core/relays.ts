import type { Log } from './ports.ts';
import type { DropReason, SessionProtocol } from './session-registry.ts';
import type { Stream } from './stream.ts';

/** `pull`: media comes from elsewhere into a stream here. `push`: a stream here goes elsewhere. */
export type RelayDirection = 'pull' | 'push';

/**
 * Where a relay stands. `connecting`: an attempt is under way. `connected`: the other side has agreed, no media yet.
 * `running`: media flows. `waiting`: the last attempt failed or the connection was lost, the next attempt has its time.
 * `stopped`: it is over.
 */
export type RelayState = 'connecting' | 'connected' | 'running' | 'waiting' | 'stopped';

/** Who began a relay: an API call, a viewer that asked for an address by name, the settings, or its publisher. */
export type RelayOrigin = 'api' | 'viewer' | 'settings' | 'publisher';

/** Replaces the sound of what is pushed. */
export interface RelaySound {
  /** Name of a file in the folder of media files. */
  readonly file: string;
  /** Begins anew at its end; otherwise the stream's own sound comes back then. */
  readonly loop: boolean;
}

/** What a relay is, and how it goes, at this moment. */
export interface RelayFacts {
  readonly mediaSessionId: string;
  /** What the other side calls it, where it tells. */
  readonly remoteMediaSessionId: string | undefined;
  readonly direction: RelayDirection;
  readonly protocol: SessionProtocol;
  readonly origin: RelayOrigin;
  /** As it was asked for, credentials included: it is how applications know a relay. Never to be logged. */
  readonly url: string;
  /** The stream here. */
  readonly streamName: string;
  /** The stream there, where the address does not say all. */
  readonly remoteStreamName: string | undefined;
  readonly state: RelayState;
  readonly createdAtMs: number;
  /** Connections that were tried and that were lost after they had worked. */
  readonly attempts: number;
  readonly reconnects: number;
  readonly lastError: { readonly message: string; readonly atMs: number } | undefined;
  /** When the next attempt begins, while it waits. */
  readonly nextAttemptAtMs: number | undefined;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  readonly record: boolean;
  /** What people should know: tracks that were left out and why, oddities of the other side. */
  readonly notes: readonly string[];
  readonly bytes: number;
  readonly packets: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly lostPackets: number | undefined;
  /** Pushes only. */
  readonly muted: boolean;
  readonly sound: RelaySound | undefined;
  readonly options: PushOptions;
}

export interface PullStart {
  readonly url: string;
  /** The address itself by default. */
  readonly streamName?: string | undefined;
  /** For `ws://` and `wss://`: the stream there. */
  readonly remoteStreamName?: string | undefined;
  readonly record?: boolean | undefined;
  readonly appKey?: string | undefined;
  /** `api` by default. */
  readonly origin?: RelayOrigin | undefined;
}

/** How streams are pushed, as far as callers may choose. */
export interface PushOptions {
  /** RTMP: the address is complete, with the key of the stream. The settings decide by default. */
  readonly fullUrl?: boolean | undefined;
  /** RTMP: `flashVer` of connect. */
  readonly flashVersion?: string | undefined;
  readonly muted?: boolean | undefined;
  readonly sound?: RelaySound | undefined;
  /** Kinds of media that are not sent. */
  readonly without?: 'audio' | 'video' | undefined;
}

export interface PushStart extends PushOptions {
  /** Must be live, or a name that a resolver knows. */
  readonly streamName: string;
  readonly url: string;
  /** For `ws://` and `wss://`: the stream there, that of here by default. */
  readonly remoteStreamName?: string | undefined;
  readonly appKey?: string | undefined;
  /** `api` by default. */
  readonly origin?: RelayOrigin | undefined;
}

/** Streams to and from other servers. Every relay is tried again until it is ended, or its stream is over. */
export interface Relays {
  all(): readonly RelayFacts[];
  get(mediaSessionId: string): RelayFacts | undefined;
  /**
   * Begins to pull. Returns once the address was found good; the connection is made afterwards.
   * @throws MediaServerError URL_INVALID, URL_DENIED, HOST_UNKNOWN, STREAM_NAME_BUSY, STREAM_NAME_INVALID, RELAY_BUSY,
   * RELAY_LIMIT
   */
  pull(start: PullStart): Promise<RelayFacts>;
  /** @throws MediaServerError STREAM_NOT_FOUND and those of `pull` */
  push(start: PushStart): Promise<RelayFacts>;
  /** Ends those that match; gives how many there were. */
  end(matches: (relay: RelayFacts) => boolean, reason: string): number;
  /** @throws MediaServerError RELAY_NOT_FOUND */
  setMuted(mediaSessionId: string, muted: boolean): void;
  /** @throws MediaServerError RELAY_NOT_FOUND, FILE_NOT_FOUND, FILE_INVALID, FILE_UNREADABLE */
  setSound(mediaSessionId: string, sound: RelaySound | undefined): Promise<void>;
}

/** Finds addresses of other machines, as far as the settings allow to connect to them. */
export interface OutboundAddresses {
  /**
   * The address to connect to: the name is resolved once, and every address of it that the settings deny is left out.
   * @throws MediaServerError URL_INVALID, URL_DENIED or HOST_UNKNOWN
   */
  resolve(url: string): Promise<OutboundAddress>;
}

/** An address that may be connected to. Connect to `address`, not to the name, so that it can't become another one. */
export interface OutboundAddress {
  /** As in the URL, for `Host`, SNI and certificates; IPv6 without brackets. */
  readonly host: string;
  readonly address: string;
  readonly family: 4 | 6;
  /** Of the URL; undefined where it has none. */
  readonly port: number | undefined;
}

/** One attempt to connect to another server; a protocol carries it out. */
interface RelayAttempt {
  readonly url: string;
  readonly remoteStreamName: string | undefined;
  readonly mediaSessionId: string;
  /** Every connection goes to what this finds, redirects included. */
  readonly outbound: OutboundAddresses;
  /** An attempt that has no media after this is to be given up, milliseconds. */
  readonly connectTimeoutMs: number;
  /** One on which nothing moves for this long, although something should, milliseconds. */
  readonly stallTimeoutMs: number;
  readonly log: Log;
  readonly events: RelayEvents;
}

export interface PullAttempt extends RelayAttempt {
  /**
   * Where the media goes. It belongs to the relay, which is its publisher for as long as it lives: each attempt goes on
   * where the stream's time stands (`new Timeline(stream.lastDtsUs)`), and declares its tracks before the first packet.
   */
  readonly stream: Stream;
}

export interface PushAttempt extends RelayAttempt {
  /** What is to be sent; lease a form of it that the other side takes. Pauses when its publisher is away for a while. */
  readonly source: Stream;
  readonly streamName: string;
  readonly options: PushOptions;
}

export interface RelayEvents {
  /** The other side has agreed. Once. */
  onConnected(): void;
  /** The first media has come, or gone out. Once. */
  onMedia(): void;
  /** For people. The same text counts once. */
  onNote(text: string): void;
}

/**
 * Why a connection is over. `closed`: by our own `close`. `ended`: the other side ended it in good order.
 * `unreachable`: no connection, or it broke. `refused`: credentials or permission. `not_found`: no such stream there.
 * `invalid`: what it says can't be understood or used. `stalled`: nothing moved any more.
 */
export type RelayEndCode = 'closed' | 'ended' | 'unreachable' | 'refused' | 'not_found' | 'invalid' | 'stalled';

export interface RelayEnd {
  readonly code: RelayEndCode;
  /** For people: what happened and what to do; without credentials. */
  readonly message: string;
}

/** What a connection has done so far. */
export interface RelayLinkFacts {
  readonly remoteAddress: string;
  readonly transport: 'TCP' | 'UDP';
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packets: number;
  readonly queuedBytes: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly lostPackets?: number | undefined;
  readonly remoteMediaSessionId?: string | undefined;
}

/** A connection to another server, from its attempt on. */
export interface RelayLink {
  /** Resolves when it is over and all of it is released; never rejects. */
  readonly ended: Promise<RelayEnd>;
  facts(): RelayLinkFacts;
  /** Asks a source for a key frame; absent where, or as long as, there is no means for it. */
  readonly requestKeyFrame?: (() => void) | undefined;
  /** Ends it, in good order where that is quick. Idempotent. */
  close(reason: string): void;
}

/** A protocol in which media is fetched from other servers, or sent to them. */
export interface RelayProtocol {
  readonly protocol: SessionProtocol;
  /** WCS's name of the provider of such sessions. */
  readonly mediaProvider: string;
  /** Schemes of its addresses, without colon. */
  readonly schemes: readonly string[];
  /** Checks what can be checked without a connection. @throws MediaServerError URL_INVALID */
  check?(url: string, direction: RelayDirection): void;
  /** Begins an attempt; all that goes wrong is told by the link. Absent: not in this direction. */
  pull?(attempt: PullAttempt): RelayLink;
  push?(attempt: PushAttempt): RelayLink;
}

/** An address without what stands before its `@` and without values of its parameters: for logs. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([a-z0-9+.-]+:\/\/)[^/?#]*@/i, '$1').replace(/([?&;][^=&;#]*=)[^&;#]*/g, '$1…');
}

/**
 * The address of a relay for logs and lists: without credentials, and without what stands last in one that is pushed to
 * by RTMP, which is the key of the stream at most services.
 */
export function shownAddress({ direction, url }: Pick<RelayFacts, 'direction' | 'url'>): string {
  const shown = withoutCredentials(url);
  return direction === 'push' ? shown.replace(/^(rtmps?:\/\/[^/?#]+\/[^/?#]+\/)[^?#]+/i, '$1…') : shown;
}

const ADDRESS = /^[a-z0-9+.-]+:\/\//i;
const SECRET = /([?&;][^=&;#]*(?:pass|pwd|token|secret|key|auth)[^=&;#]*=)[^&;#]*/gi;

/** The name of a stream for other servers: passwords of cameras, whose addresses may be names, are none of their business. */
export function nameForOthers(streamName: string): string {
  if (!ADDRESS.test(streamName)) return streamName;
  return streamName.replace(/^([^/]*\/\/)[^/?#]*@/, '$1').replace(SECRET, '$1');
}
