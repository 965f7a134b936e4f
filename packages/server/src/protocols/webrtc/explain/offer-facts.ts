import {
  type Codec,
  codecTitle,
  type MediaDescription,
  parseIceCandidate,
  type RtpPayloadFormat,
  readRtpSection,
  type SessionDescription,
  sdpValues,
} from '@sluice/media';
import type { RefusedCodec } from '../../../core/index.ts';
import {
  isRtpCodecName,
  type NegotiatedMedia,
  type NegotiatedTrack,
  offeredCodecs,
  parseOffer,
  type RejectReason,
  type RtpAudioCodec,
  type RtpCodec,
  type RtpVideoCodec,
} from '../wire/offer-answer/index.ts';

type Kind = 'video' | 'audio';

/** What became of the codecs of an offer, for one kind of media. */
export interface OfferedMedia {
  readonly kind: Kind;
  /** In the client's order, each with the parameters that matter: `H264/42e01f`. */
  readonly offered: readonly string[];
  readonly chosen: string | undefined;
  readonly refused: readonly RefusedCodec[];
  /** Why the kind as a whole is not used, for people; undefined when it is. */
  readonly unused: string | undefined;
  /** The client itself does not want it. */
  readonly unwanted: boolean;
}

export interface OfferFacts {
  readonly media: readonly OfferedMedia[];
  /** At most 16. */
  readonly candidates: readonly string[];
}

/** What an offer met here. */
export interface OfferCircumstances {
  readonly videoCodecs: readonly RtpVideoCodec[];
  readonly audioCodecs: readonly RtpAudioCodec[];
  /** What came of it; undefined when it was refused as a whole. */
  readonly negotiated: NegotiatedMedia | undefined;
  readonly direction: 'publish' | 'play';
  /** For players: what the stream has. */
  readonly source: Readonly<Partial<Record<Kind, Codec | undefined>>>;
}

const NOTHING: OfferFacts = { media: [], candidates: [] };
const MAX_CANDIDATES = 16;
const MAX_FORMATS = 32;
const MAX_NAME_CHARACTERS = 32;
/** Formats that carry no picture and no sound of their own. */
const HELPERS = new Set(['rtx', 'red', 'ulpfec', 'flexfec-03', 'telephone-event', 'cn']);

/** Sections that the client itself has no use for. */
const BY_WISH: ReadonlySet<RejectReason> = new Set(['disabled', 'direction', 'kind']);

const WHY_UNUSED: Readonly<Record<RejectReason, string>> = {
  disabled: 'the client itself has turned it off in its offer (port 0)',
  kind: 'the client does not offer it by RTP over DTLS',
  direction: 'the client offers it in the other direction only',
  surplus: 'another one of its kind was chosen',
  not_bundled: 'it is outside of the client’s BUNDLE group',
  not_in_stream: 'the stream had none when the client connected, which must connect again',
  codecs: 'no codec that the client offers for it can be used',
};

/** Tells codec by codec what became of an offer. Total: an offer that can't be read has nothing to tell. */
export function offerFacts(text: string, circumstances: OfferCircumstances): OfferFacts {
  const offer = readOffer(text);
  if (offer === undefined) return NOTHING;
  const media = (['video', 'audio'] as const).flatMap((kind) => {
    const sections = offer.media.filter((section) => section.kind.toLowerCase() === kind);
    return sections.length === 0 ? [] : [offeredMedia(kind, sections, circumstances)];
  });
  return { media, candidates: candidatesOf(offer) };
}

function readOffer(text: string): SessionDescription | undefined {
  try {
    return parseOffer(text);
  } catch {
    return undefined;
  }
}

function candidatesOf(offer: SessionDescription): string[] {
  const lines = [offer, ...offer.media].flatMap((part) => sdpValues(part, 'candidate'));
  return [...new Set(lines)].slice(0, MAX_CANDIDATES).flatMap((line) => {
    const candidate = parseIceCandidate(line);
    if (candidate === undefined) return [];
    const { type, address, port, transport } = candidate;
    return [`${type} ${address}:${port} ${transport}`];
  });
}

function offeredMedia(
  kind: Kind,
  sections: readonly MediaDescription[],
  circumstances: OfferCircumstances,
): OfferedMedia {
  const formats = sections.flatMap(formatsOf).slice(0, MAX_FORMATS);
  const { negotiated } = circumstances;
  const track = negotiated?.[kind];
  const rejected = negotiated?.sections.find((section) => !section.accepted && section.kind.toLowerCase() === kind);
  const unused = track === undefined && rejected?.accepted === false ? WHY_UNUSED[rejected.reason] : undefined;
  const chosen = formats.find(({ payloadType }) => payloadType === track?.payloadType);
  return {
    kind,
    offered: [...new Set(formats.map(labelOf))],
    chosen: track === undefined ? undefined : chosen === undefined ? track.encodingName : labelOf(chosen),
    refused: refusedOf(kind, formats, { ...circumstances, track, unused }),
    unused,
    unwanted: unused !== undefined && rejected?.accepted === false && BY_WISH.has(rejected.reason),
  };
}

function formatsOf(section: MediaDescription): RtpPayloadFormat[] {
  try {
    return readRtpSection(section).formats.filter(({ encodingName }) => !HELPERS.has(encodingName.toLowerCase()));
  } catch {
    return [];
  }
}

function labelOf({ encodingName, parameters }: RtpPayloadFormat): string {
  const name = encodingName.slice(0, MAX_NAME_CHARACTERS);
  const profile = parameters.get('profile-level-id') ?? parameters.get('profile-id') ?? parameters.get('profile');
  return profile === undefined ? name : `${name}/${profile.slice(0, MAX_NAME_CHARACTERS)}`;
}

interface Choice extends OfferCircumstances {
  readonly track: NegotiatedTrack | undefined;
  readonly unused: string | undefined;
}

/** One entry for each codec that is not used, whatever the number of its variants. */
function refusedOf(kind: Kind, formats: readonly RtpPayloadFormat[], choice: Choice): RefusedCodec[] {
  const usable = new Set(offeredCodecs(kind, formats).map(({ codec }) => codec));
  const names = new Map(formats.map(({ encodingName }) => [encodingName.toLowerCase(), encodingName]));
  const refused: RefusedCodec[] = [];
  const missing = missingCodec(kind, usable, choice);
  if (missing !== undefined) refused.push(missing);
  for (const [name, written] of names) {
    if (name === choice.track?.encodingName.toLowerCase()) continue;
    const codec = written.slice(0, MAX_NAME_CHARACTERS);
    refused.push({ codec, ...whyNot(kind, name, { ...choice, usable, written: codec }) });
  }
  return refused;
}

function whyNot(
  kind: Kind,
  name: string,
  choice: Choice & { readonly usable: ReadonlySet<RtpCodec>; readonly written: string },
): Omit<RefusedCodec, 'codec'> {
  const { written, track, unused, direction } = choice;
  if (!isRtpCodecName(name)) return { reason: 'unknown', text: `the server does not carry ${written} by WebRTC` };
  const allowed: readonly RtpCodec[] = kind === 'video' ? choice.videoCodecs : choice.audioCodecs;
  if (!allowed.includes(name))
    return { reason: 'disabled', text: `${written} is turned off by codecs or codecs_exclude_streaming` };
  if (!choice.usable.has(name))
    return { reason: 'profile', text: `the forms in which ${written} is offered can not be used` };
  if (unused !== undefined && track === undefined && choice.source[kind] === undefined)
    return { reason: 'not_wanted', text: unused };
  const source = choice.source[kind];
  if (direction === 'play' && source !== undefined && source !== name && track?.match !== 'converted')
    return {
      reason: 'other_sent',
      text: `the publisher sends ${codecTitle(source)}, which is not made into ${written}`,
    };
  if (track !== undefined) return { reason: 'other_preferred', text: `${track.encodingName} was chosen` };
  return { reason: 'not_wanted', text: unused ?? `${written} was not chosen, as the offer was refused` };
}

/** The stream's own codec, when the client does not offer it. */
function missingCodec(kind: Kind, usable: ReadonlySet<RtpCodec>, choice: Choice): RefusedCodec | undefined {
  const source = choice.source[kind];
  if (choice.direction !== 'play' || source === undefined || usable.has(source as RtpCodec)) return undefined;
  const title = codecTitle(source);
  const text = isRtpCodecName(source)
    ? `the stream has ${title}, which the client does not offer: its browser or device can not play it`
    : `the stream has ${title}, which WebRTC does not know`;
  return { codec: title, reason: 'not_offered', text };
}
