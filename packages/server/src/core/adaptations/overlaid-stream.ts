import { Stream } from '../stream.ts';
import type { AdaptedStream } from './adaptations.ts';

/**
 * A stream that one viewer alone has: another one with something put upon it. Forms of it are forms of that other
 * stream, which all its viewers share, with the same put upon them.
 */
export abstract class OverlaidStream extends Stream {
  abstract readonly base: Stream;
  /** Puts it upon a form of the base; the lease is the result's from then on. */
  abstract over(lease: AdaptedStream): AdaptedStream;
}
