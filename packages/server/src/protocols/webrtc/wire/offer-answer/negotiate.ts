import {
  hasSdpAttribute,
  type MediaDescription,
  ProtocolError,
  parseSessionDescription,
  type RtpSection,
  readRtpSection,
  type SessionDescription,
  sdpValue,
  sdpValues,
  writeFormatParameters,
} from '@sluice/media';
import { MediaServerError } from '../../../../core/index.ts';
import { bitrateParameters } from './bitrate-parameters.ts';
import { chooseCodec } from './choose-codec.ts';
import { answeredParameters, type OfferedCodec, offeredCodecs, redPayloadType, rtxPayloadType } from './codecs.ts';
import { type Direction, directionOf } from './directions.ts';
import { chooseLayers } from './layers.ts';
import type {
  NegotiatedExtensions,
  NegotiatedFormat,
  NegotiatedMedia,
  NegotiatedSection,
  NegotiatedTrack,
  RejectedSection,
  RejectReason,
} from './negotiated.ts';
import type { OfferPolicy } from './policy.ts';
import { chooseExtensions, chooseFeedback, offeredSources } from './rtp-features.ts';
import { invalid, readTransport } from './transport.ts';

/** RTP over DTLS, over UDP or TCP, also by the names that old clients write. */
const PROTOCOLS = /^((UDP|TCP)\/(TLS|DTLS)\/)?RTP\/SAVPF?$/i;

/** A section of the offer on its way through the negotiation. */
interface Candidate {
  readonly index: number;
  readonly kind: 'video' | 'audio';
  readonly mid: string | undefined;
  readonly section: MediaDescription;
}

/**
 * Reads the offer of a client.
 * @throws MediaServerError SDP_INVALID
 */
export function parseOffer(text: string): SessionDescription {
  try {
    return parseSessionDescription(text);
  } catch (error) {
    if (error instanceof ProtocolError) throw invalid(error.message, error);
    throw error;
  }
}

/**
 * Decides what is exchanged with the client that made this offer (RFC 8829 §5.3, RFC 9143 §7.3). One section a kind
 * is accepted, all of them on one transport; the others are rejected.
 * @throws MediaServerError SDP_INVALID when it is not an offer for that direction over ICE and DTLS, NO_COMMON_CODECS
 * when it is one and no codec of it can be used
 */
export function negotiate(offer: SessionDescription, policy: OfferPolicy): NegotiatedMedia {
  const mids = readMids(offer);
  const rejected = new Map<number, RejectReason>();
  const candidates: Candidate[] = [];
  for (const [index, section] of offer.media.entries()) {
    const reason = unusable(offer, section, policy);
    if (reason !== undefined) rejected.set(index, reason);
    else candidates.push({ index, kind: kindOf(section), mid: mids[index], section });
  }
  if (candidates.length === 0) {
    const [does, way] = policy.direction === 'receive' ? ['sends', 'sendonly'] : ['receives', 'recvonly'];
    throw invalid(`it has no sound or picture over DTLS that the client ${does} (a=${way})`);
  }
  const bundle = bundleOf(offer, candidates);
  const tracks = new Map<number, NegotiatedTrack>();
  for (const candidate of candidates) {
    const isOutside = bundle !== undefined && !bundle.has(candidate.mid ?? '');
    const isSurplus = [...tracks.values()].some(({ kind }) => kind === candidate.kind);
    const result = isOutside ? 'not_bundled' : isSurplus ? 'surplus' : negotiateTrack(offer, candidate, policy);
    if (typeof result === 'string') rejected.set(candidate.index, result);
    else tracks.set(candidate.index, result);
  }
  if (tracks.size === 0) throw noCommonCodecs(candidates);
  const accepted = [...tracks.values()];
  const tagged = unusedTransport(offer, { mids, bundle, tracks });
  return {
    sections: offer.media.map((section, i): NegotiatedSection => {
      const track = tracks.get(i);
      if (track !== undefined) return track;
      const rest = { mid: mids[i], reason: rejected.get(i) ?? 'disabled' };
      return rejectedSection(section, i === tagged ? { ...rest, kept: firstFormat(section) } : rest);
    }),
    video: accepted.find(({ kind }) => kind === 'video'),
    audio: accepted.find(({ kind }) => kind === 'audio'),
    ...readTransport(offer, transportSections(offer, { mids, bundle, tracks })),
    bundled: bundle !== undefined,
    extmapAllowMixed: [offer, ...offer.media].some((part) => hasSdpAttribute(part, 'extmap-allow-mixed')),
  };
}

function negotiateTrack(
  offer: SessionDescription,
  { kind, mid, section }: Candidate,
  policy: OfferPolicy,
): NegotiatedTrack | RejectReason {
  if (policy.direction === 'send' && policy[kind] === undefined) return 'not_in_stream';
  const rtp = readRtpSection(section);
  const choice = chooseCodec(kind, offeredCodecs(kind, rtp.formats), policy);
  if (choice === undefined) return 'codecs';
  if (!hasSdpAttribute(section, 'rtcp-mux') && !hasSdpAttribute(offer, 'rtcp-mux'))
    throw invalid('RTP and RTCP must share a port (a=rtcp-mux)');
  const offered = chooseExtensions(rtp, kind, policy);
  const simulcast =
    kind === 'video'
      ? chooseLayers(section, { rtp, payloadType: choice.offered.format.payloadType }, policy)
      : undefined;
  const extensions = simulcast?.named === true ? offered : { ...offered, rid: undefined, repairedRid: undefined };
  const from = { rtp, kind, policy, extensions };
  const also = kind === 'video' ? alsoOffered(rtp, choice.offered, policy) : undefined;
  return {
    accepted: true,
    kind,
    mid,
    protocol: section.protocol,
    direction: policy.direction === 'receive' ? 'recvonly' : 'sendonly',
    ...formatOf(choice.offered, from),
    also: also && formatOf(also, from),
    match: choice.match,
    layers: simulcast?.layers,
    extensions,
    sources: policy.direction === 'receive' ? offeredSources(rtp) : NO_SOURCES,
    reducedSizeRtcp: hasSdpAttribute(section, 'rtcp-rsize'),
  };
}

/** The other codec that the policy wishes for, in the form that the client takes best. */
function alsoOffered(rtp: RtpSection, chosen: OfferedCodec, policy: OfferPolicy): OfferedCodec | undefined {
  const codec = policy.direction === 'send' ? policy.alsoVideo : undefined;
  if (policy.direction !== 'send' || codec === undefined || codec === chosen.codec) return undefined;
  const source = { codec: 'unknown', conversions: [codec] };
  return chooseCodec('video', offeredCodecs('video', rtp.formats), { ...policy, video: source })?.offered;
}

function formatOf(
  offered: OfferedCodec,
  from: {
    readonly rtp: RtpSection;
    readonly kind: 'video' | 'audio';
    readonly policy: OfferPolicy;
    readonly extensions: NegotiatedExtensions;
  },
): NegotiatedFormat {
  const { rtp, kind, policy, extensions } = from;
  const { codec, format, packetizationMode } = offered;
  const parameters = new Map([...answeredParameters(offered), ...bitrateParameters(kind, policy)]);
  const isOpus = codec === 'opus';
  // Of use to us whatever the publisher offers: it tells that we take it (RFC 7587 §6.1).
  if (isOpus && policy.direction === 'receive') parameters.set('useinbandfec', '1');
  // A publisher that has stereo sends it only to one who asks for it (RFC 7587 §7.1).
  const offersStereo = parameters.get('stereo') === '1' || parameters.get('sprop-stereo') === '1';
  if (isOpus && policy.direction === 'receive' && offersStereo) parameters.set('stereo', '1');
  return {
    codec,
    encodingName: format.encodingName,
    payloadType: format.payloadType,
    clockRate: format.clockRate,
    channels: format.channels,
    formatParameters: writeFormatParameters(parameters),
    packetizationMode,
    rtxPayloadType: rtxPayloadType(rtp.formats, format.payloadType),
    redPayloadType: isOpus && policy.red === true ? redPayloadType(rtp.formats, format.payloadType) : undefined,
    feedback: chooseFeedback(format, { kind, extensions, capped: policy.direction === 'receive' }),
  };
}

const NO_SOURCES = Object.freeze({ ssrc: undefined, rtxSsrc: undefined, cname: undefined, all: [] });

function unusable(offer: SessionDescription, section: MediaDescription, policy: OfferPolicy): RejectReason | undefined {
  // A section that is only for the bundle has port 0 as well (RFC 9143 §6).
  if (section.port === 0 && !hasSdpAttribute(section, 'bundle-only')) return 'disabled';
  if (!/^(audio|video)$/i.test(section.kind) || !PROTOCOLS.test(section.protocol)) return 'kind';
  const direction = directionOf(section) ?? directionOf(offer) ?? 'sendrecv';
  const wanted: Direction = policy.direction === 'receive' ? 'sendonly' : 'recvonly';
  return direction === wanted || direction === 'sendrecv' ? undefined : 'direction';
}

function kindOf({ kind }: MediaDescription): 'video' | 'audio' {
  return kind.toLowerCase() === 'video' ? 'video' : 'audio';
}

/** Names of all sections; each one must be unique (RFC 5888 §6). */
function readMids(offer: SessionDescription): (string | undefined)[] {
  const mids = offer.media.map((section) => {
    const mid = sdpValue(section, 'mid');
    if (mid !== undefined && !/^[\x21-\x7e]{1,256}$/.test(mid)) throw invalid('a=mid is not a token');
    return mid;
  });
  const named = mids.filter((mid) => mid !== undefined);
  if (new Set(named).size !== named.length) throw invalid('two sections have the same a=mid');
  return mids;
}

/** The mids that share a transport; undefined when the offer groups nothing. */
function bundleOf(offer: SessionDescription, candidates: readonly Candidate[]): ReadonlySet<string> | undefined {
  const groups = sdpValues(offer, 'group')
    .map((value) => value.split(/\s+/))
    .filter(([semantics]) => semantics?.toUpperCase() === 'BUNDLE')
    .map(([, ...mids]) => new Set(mids));
  const used = groups.find((mids) => candidates.some(({ mid }) => mid !== undefined && mids.has(mid)));
  if (used !== undefined) return used;
  const kinds = new Set(candidates.map(({ kind }) => kind));
  if (kinds.size > 1) throw invalid('sound and picture must share a transport: offer them in one a=group:BUNDLE');
  return undefined;
}

/** What is known of an offer when its sections have been decided on. */
interface Decided {
  readonly mids: readonly (string | undefined)[];
  readonly bundle: ReadonlySet<string> | undefined;
  readonly tracks: ReadonlyMap<number, NegotiatedTrack>;
}

/** Sections that may describe the transport: the accepted ones, then all others of the bundle. */
function transportSections(offer: SessionDescription, { mids, bundle, tracks }: Decided): MediaDescription[] {
  const accepted = offer.media.filter((_, i) => tracks.has(i));
  const others = offer.media.filter((_, i) => !tracks.has(i) && bundle?.has(mids[i] ?? ''));
  return [...accepted, ...others];
}

/** The section whose transport the bundle uses (RFC 9143 §7.2.1), when it is not used itself but can be inactive. */
function unusedTransport(offer: SessionDescription, { mids, bundle, tracks }: Decided): number | undefined {
  const [tagged] = bundle ?? [];
  const index = mids.findIndex((mid) => mid !== undefined && mid === tagged);
  const section = offer.media[index];
  const isUsable = section !== undefined && section.port !== 0 && PROTOCOLS.test(section.protocol);
  return isUsable && !tracks.has(index) ? index : undefined;
}

function firstFormat(section: MediaDescription): RejectedSection['kept'] {
  const [format] = readRtpSection(section).formats;
  if (format === undefined) return undefined;
  const { payloadType, encodingName, clockRate, channels, parameters } = format;
  return { payloadType, encodingName, clockRate, channels, formatParameters: writeFormatParameters(parameters) };
}

function rejectedSection(
  { kind, protocol, formats }: MediaDescription,
  rest: Pick<RejectedSection, 'mid' | 'reason' | 'kept'>,
): RejectedSection {
  return { accepted: false, kind, protocol, formats: formats.slice(0, 1), ...rest };
}

function noCommonCodecs(candidates: readonly Candidate[]): MediaServerError {
  const names = candidates.flatMap(({ section }) => encodingNames(readRtpSection(section)));
  const offered = [...new Set(names)].slice(0, 16).join(', ');
  return new MediaServerError('NO_COMMON_CODECS', `no codec of the offer can be used: ${offered || 'it names none'}`);
}

function encodingNames({ formats }: RtpSection): string[] {
  return formats.map(({ encodingName }) => encodingName.slice(0, 32));
}
