import type { RelayEnd, RelayLinkFacts } from '../../../core/index.ts';
import type { Peer, PeerMedia } from '../peer.ts';
import type { AnsweredMedia, LocalSources, OfferToMake } from '../wire/offer-answer/index.ts';

/** What is to be exchanged, before the other side has said what it takes. */
export interface MediaOffer {
  readonly offer: OfferToMake;
  /** For what is sent. */
  readonly sending: LocalSources | undefined;
}

/** The media of one connection to another server: that which comes, or that which goes. */
export interface RelayedMedia extends PeerMedia {
  /** Media has come, or gone out. */
  readonly flowing: boolean;
  /** What to offer. Rejects with a RelayFailure when there is nothing. */
  prepare(): Promise<MediaOffer>;
  /** The other side has answered; before the peer is started. */
  agree(answered: AnsweredMedia, peer: Peer): void;
  /** Why it can't go on, if it can't. Asked on every tick once it is connected. */
  verdict(nowMs: number): RelayEnd | undefined;
  requestKeyFrame(): void;
  facts(): Pick<RelayLinkFacts, 'packets' | 'queuedBytes' | 'drops' | 'lostPackets'>;
  close(): void;
}
