import { type Codec, parseIceCandidate } from '@sluice/media';
import {
  MediaServerError,
  type PastSession,
  type PeerRequest,
  type SessionFacts,
  type SessionMediaFacts,
} from '../../../core/index.ts';
import type { WebRtcOptions } from '../options.ts';
import type { NegotiatedMedia } from '../wire/offer-answer/index.ts';
import { type OfferedMedia, type OfferFacts, offerFacts } from './offer-facts.ts';
import type { PeerFacts } from './peer-facts.ts';

type Kind = 'video' | 'audio';
type Codecs = Pick<WebRtcOptions, 'videoCodecs' | 'audioCodecs'>;
/** What the stream has that is played; empty for publishers. */
type Source = Readonly<Partial<Record<Kind, Codec | undefined>>>;

/** All that a WebRTC session's explanation is drawn from. */
export interface ExplainedSession {
  readonly request: Pick<PeerRequest, 'offer'>;
  readonly answer: string;
  readonly negotiated: NegotiatedMedia | undefined;
  readonly codecs: Codecs;
  readonly mediaType: 'publish' | 'play';
  readonly peer: PeerFacts | undefined;
  readonly media: readonly SessionMediaFacts[];
  readonly source: Source;
  readonly roundTripMs: number | undefined;
}

const MAX_CANDIDATES = 16;
const MAX_ERROR_CHARACTERS = 500;

/** Puts together what is known of a WebRTC session. Nothing of its passwords and tokens is in it. */
export function sessionFacts(session: ExplainedSession): SessionFacts {
  const { request, peer, codecs, negotiated, mediaType, source, roundTripMs } = session;
  const offer = offerFacts(request.offer, { ...codecs, negotiated, direction: mediaType, source });
  return {
    webrtc: peer && {
      ...peer,
      ice: { ...peer.ice, serverCandidates: serverCandidates(session.answer), clientCandidates: offer.candidates },
      roundTripMs: roundTripMs === undefined ? undefined : Math.round(roundTripMs * 10) / 10,
    },
    media: [...session.media.map((media) => withOffer(media, offer)), ...unused(offer, session)],
  };
}

/** What is remembered of an offer that was refused. */
export function refusedSession(refused: {
  readonly mediaType: 'publish' | 'play';
  readonly request: PeerRequest;
  readonly error: unknown;
  readonly codecs: Codecs;
  readonly source: Source;
}): PastSession {
  const { mediaType, request, error, codecs, source } = refused;
  const { mediaSessionId, sessionId, streamName, remoteAddress } = request;
  const offer = offerFacts(request.offer, { ...codecs, negotiated: undefined, direction: mediaType, source });
  const known = error instanceof MediaServerError;
  const nowMs = Date.now();
  return {
    ...{ mediaSessionId, sessionId, streamName, remoteAddress, mediaType, protocol: 'webrtc' },
    ...{ sinceMs: nowMs, endedMs: nowMs },
    errorCode: known ? error.code : 'internal_error',
    error: known ? error.message.slice(0, MAX_ERROR_CHARACTERS) : 'an error of the server',
    facts: { media: offer.media.map((media) => ({ kind: media.kind, delivery: 'pending', ...codecsOf(media) })) },
  };
}

function withOffer(media: SessionMediaFacts, offer: OfferFacts): SessionMediaFacts {
  const offered = offer.media.find(({ kind }) => kind === media.kind);
  return offered === undefined ? media : { ...media, ...codecsOf(offered) };
}

function codecsOf({ offered, chosen, refused }: OfferedMedia) {
  return { offered, chosen, refused };
}

/** Kinds that the client offers and that nothing came of. */
function unused(offer: OfferFacts, { media, source, mediaType }: ExplainedSession): SessionMediaFacts[] {
  return offer.media
    .filter(({ kind }) => !media.some((one) => one.kind === kind))
    .map((offered) => {
      const missed = mediaType === 'play' && source[offered.kind] !== undefined && !offered.unwanted;
      return {
        kind: offered.kind,
        delivery: missed ? 'left_out' : 'absent',
        reason: offered.unused,
        ...codecsOf(offered),
      };
    });
}

function serverCandidates(answer: string): string[] {
  const told = new Set<string>();
  for (const [, value = ''] of answer.matchAll(/^a=candidate:(.*)$/gm)) {
    const candidate = parseIceCandidate(value.trim());
    if (candidate === undefined || told.size >= MAX_CANDIDATES) continue;
    const { address, port, transport } = candidate;
    const place = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    told.add(transport === 'udp' ? place : `${place} ${transport}`);
  }
  return [...told];
}
