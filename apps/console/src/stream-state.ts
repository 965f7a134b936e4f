import { AUTOMATIC_ORDER, type PlayProtocol, protocolName } from './play-protocol.ts';
import { IDLE, type PlayerState } from './player-state.ts';

/** One way to play, with what stands in its way; empty when nothing does. */
export interface Way {
  readonly protocol: PlayProtocol;
  readonly obstacle: string;
}

/** A way that is not played, and why. */
export interface Tried {
  readonly protocol: PlayProtocol;
  readonly why: string;
}

/** Playback, with the way that was chosen. */
export interface StreamState extends PlayerState {
  /** Undefined before the first choice, and while no way works. */
  readonly protocol: PlayProtocol | undefined;
  /** One sentence: what plays and why; empty when a person chose. */
  readonly choice: string;
  readonly tried: readonly Tried[];
}

/** Before anything is chosen. */
export const UNDECIDED: StreamState = { ...IDLE, protocol: undefined, choice: '', tried: [] };

/** What stands in the way of all but HLS where one quality of several is wished. */
export const COMES_BY_HLS = 'The quality that is wished comes by HLS.';

/** One sentence that says what plays and why. */
export function choiceOf(protocol: PlayProtocol, tried: readonly Tried[]): string {
  const name = protocolName(protocol);
  const [first, ...others] = tried.filter(({ why }) => why !== COMES_BY_HLS);
  if (first === undefined && tried.length > 0) return `Plays by ${name}, by which the quality comes that is wished.`;
  if (first === undefined) {
    const why = protocol === AUTOMATIC_ORDER[0] ? 'of all ways it has the least delay' : 'it is to be tried first';
    return `Plays by ${name}: ${why}, and nothing stands in its way.`;
  }
  const rest = others.length === 0 ? '' : `, nor did ${others.map((way) => protocolName(way.protocol)).join(' or ')}`;
  return `Plays by ${name}, because ${protocolName(first.protocol)} did not work (${trimmed(first.why)})${rest}.`;
}

function trimmed(why: string): string {
  return why.replace(/\.$/, '');
}
