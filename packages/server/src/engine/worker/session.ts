import type { OpenMessage, PictureMessage, SourceMessage, TrackMessage } from '../wire.ts';

/** How a session hands over what it makes. */
export interface SessionOutput {
  track(message: TrackMessage): void;
  packet(packet: { readonly bytes: Uint8Array; readonly timeUs: number; readonly key: boolean }): void;
  /** Input that could not be decoded, or pictures that came out of order. */
  dropped(count: number): void;
}

/** One conversion inside a worker. */
export interface Session {
  /** The source's decoder configuration changed. @throws NativeError */
  setSource(source: SourceMessage): void;
  /** Decodes, converts and encodes one packet; damaged ones are counted and left out. @throws NativeError */
  push(bytes: Buffer, timeUs: number): void;
  /** The next picture becomes a key frame. */
  requestKeyFrame(): void;
  /** All packets have come: puts out what it makes of them. It is closed next. @throws NativeError */
  finish?(): void;
  /** Frees all that it has. Idempotent. */
  close(): void;
}

/** Makes a session. @throws NativeError when the source can't be decoded or the target can't be encoded */
export type OpenSession = (message: OpenMessage | PictureMessage, output: SessionOutput) => Session;

/** The bytes that a message carries as base64. */
export function parametersOf(source: SourceMessage): Buffer[] {
  return source.parameters.map((text) => Buffer.from(text, 'base64'));
}
