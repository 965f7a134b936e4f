import { type PlayProtocol, protocolName } from '../play-protocol.ts';
import type { StreamState } from '../stream-state.ts';

/** What an embedded page tells the page around it, by `postMessage`. */
export interface EmbedMessage {
  readonly source: 'sluice-embed';
  readonly event: 'playing' | 'paused' | 'ended' | 'error' | 'protocol';
  readonly stream: string;
  /** The way that plays, with `protocol` and `playing`. */
  readonly protocol?: PlayProtocol | undefined;
  /** Why, for people: with `protocol` why it was chosen, with `error` what is wrong. */
  readonly message?: string;
}

type Told = Omit<EmbedMessage, 'source' | 'stream'>;

/** The events that lie between two states of the player; `hasPlayed` tells whether it ever played before. */
export function eventsBetween(before: StreamState, now: StreamState, hasPlayed: boolean): readonly Told[] {
  const told: Told[] = [];
  if (now.protocol !== undefined && now.protocol !== before.protocol)
    told.push({ event: 'protocol', protocol: now.protocol, message: now.choice });
  if (now.phase === before.phase && now.absent === before.absent) return told;
  if (now.phase === 'playing' && before.phase !== 'playing') told.push({ event: 'playing', protocol: now.protocol });
  if (now.phase === 'paused' && before.phase !== 'paused') told.push({ event: 'paused' });
  if (now.phase === 'error' || (now.phase === 'waiting' && now.protocol === undefined))
    told.push({ event: 'error', message: reasons(now).join('\n') });
  if (now.absent && !before.absent && hasPlayed) told.push({ event: 'ended' });
  return told;
}

/** What is wrong as a whole, and with each way that was tried. */
export function reasons({ message, tried }: StreamState): readonly string[] {
  return [message, ...tried.map(({ protocol, why }) => `${protocolName(protocol)}: ${why}`)].filter(
    (line) => line !== '',
  );
}

/** Tells the page around this one, whichever it is: nothing of it is secret. */
export function tellParent(stream: string, told: Told): void {
  if (window.parent === window) return;
  const message: EmbedMessage = { source: 'sluice-embed', stream, ...told };
  window.parent.postMessage(message, '*');
}
