import type { FeedMessage, OpenMessage, OutputMessage, PictureMessage, SourceMessage, TrackMessage } from '../wire.ts';

/** A packet that a session has made. */
export interface MadePacket {
  readonly bytes: Uint8Array;
  readonly timeUs: number;
  readonly key: boolean;
}

/** How a session, or one output of a feed, hands over what it makes. */
export interface SessionOutput {
  track(message: TrackMessage): void;
  packet(packet: MadePacket): void;
  /** Input that could not be decoded, or pictures that came out of order. */
  dropped(count: number): void;
}

/** What the outputs of a feed need besides. */
export interface FeedOutput extends SessionOutput {
  /** The way to the server of one output. */
  of(output: number): SessionOutput;
  /** One output can't go on. */
  failed(output: number, error: unknown): void;
}

/** Time that a part of a feed took, and what it worked off in it. */
export interface OutputWork {
  /** 0 for decoding. */
  readonly output: number;
  busyMs: number;
  packets: number;
}

/** One conversion inside a worker. */
export interface Session {
  /** The source's decoder configuration changed. @throws NativeError */
  setSource(source: SourceMessage): void;
  /** Decodes, converts and encodes one packet; damaged ones are counted and left out. @throws NativeError */
  push(bytes: Buffer, timeUs: number, key: boolean): void;
  /** All packets have come: puts out what it makes of them. It is closed next. @throws NativeError */
  finish?(): void;
  /** Frees all that it has. Idempotent. */
  close(): void;
}

/** A session with several outputs. */
export interface FeedSession extends Session {
  open(output: number, message: OutputMessage): void;
  closeOutput(output: number): void;
  /** The next picture of the output becomes a key frame. */
  requestKeyFrame(output: number): void;
  /** What it has done since this was called last: each part of it that did something. */
  takeWork(): OutputWork[];
}

/** True for a session with outputs. */
export function isFeed(session: Session): session is FeedSession {
  return 'takeWork' in session;
}

/** Makes a session. @throws NativeError when the source can't be decoded or the target can't be encoded */
export type OpenSession = (message: FeedMessage | OpenMessage | PictureMessage, output: FeedOutput) => Session;

/** The bytes that a message carries as base64. */
export function parametersOf(source: SourceMessage): Buffer[] {
  return source.parameters.map((text) => Buffer.from(text, 'base64'));
}
