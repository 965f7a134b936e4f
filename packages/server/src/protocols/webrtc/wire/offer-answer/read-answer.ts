import {
  hasSdpAttribute,
  type IceCandidate,
  type MediaDescription,
  ProtocolError,
  parseIceCandidate,
  parseSessionDescription,
  type RtpSection,
  readRtpSection,
  type SessionDescription,
  sdpValue,
  sdpValues,
  writeFormatParameters,
} from '@sluice/media';
import { type OfferedCodec, offeredCodecs, rtxPayloadType } from './codecs.ts';
import { directionOf } from './directions.ts';
import type {
  NegotiatedExtensions,
  NegotiatedMedia,
  NegotiatedSection,
  NegotiatedTrack,
  RejectedSection,
  RejectReason,
} from './negotiated.ts';
import { chooseFeedback, EXTENSION_URIS, offeredSources } from './rtp-features.ts';
import { invalidAnswer, readAnsweredTransport } from './transport.ts';
import type { OfferToMake } from './write-offer.ts';

/** What the other side's answer comes to. */
export interface AnsweredMedia extends NegotiatedMedia {
  /** Where the other side says that it is reached; those that can't be read are left out. */
  readonly candidates: readonly IceCandidate[];
}

/** More than any machine has addresses; the rest is left out. */
const MAX_CANDIDATES = 32;

/**
 * Reads the answer to an offer of ours (RFC 3264 §7, RFC 8829 §5.10).
 * @throws MediaServerError SDP_INVALID when it can't be read or does not answer the offer, NO_COMMON_CODECS when it
 * takes nothing of it
 */
export function readAnswer(text: string, offer: OfferToMake): AnsweredMedia {
  const answer = parse(text);
  const kinds = (['audio', 'video'] as const).filter((kind) => offer[kind].length > 0);
  const sections = kinds.map((kind, index) => readSection(answer, { kind, index, offer }));
  const accepted = sections.filter((section) => section.accepted);
  if (accepted.length === 0) {
    const reasons = [...new Set(sections.map((section) => (section.accepted ? '' : section.reason)))];
    throw invalidAnswer(`it takes nothing of the offer (${reasons.join(', ')})`, undefined, 'NO_COMMON_CODECS');
  }
  const parts = answer.media.filter((_, index) => sections[index]?.accepted === true);
  if (!isOneTransport(answer, parts))
    throw invalidAnswer('sound and picture do not share a transport (a=group:BUNDLE)');
  return {
    sections,
    video: accepted.find(({ kind }) => kind === 'video'),
    audio: accepted.find(({ kind }) => kind === 'audio'),
    ...readAnsweredTransport(answer, parts),
    bundled: true,
    extmapAllowMixed: false,
    candidates: [...parts, answer]
      .flatMap((part) => sdpValues(part, 'candidate'))
      .slice(0, MAX_CANDIDATES)
      .flatMap((value) => parseIceCandidate(value) ?? []),
  };
}

function parse(text: string): SessionDescription {
  try {
    return parseSessionDescription(text);
  } catch (error) {
    if (error instanceof ProtocolError) throw invalidAnswer(error.message, error);
    throw error;
  }
}

interface AnswerTo {
  readonly kind: 'video' | 'audio';
  readonly index: number;
  readonly offer: OfferToMake;
}

function readSection(answer: SessionDescription, to: AnswerTo): NegotiatedSection {
  const section = answer.media[to.index];
  if (section === undefined || section.kind.toLowerCase() !== to.kind)
    throw invalidAnswer(`its section ${to.index} is not the ${to.kind} of the offer`);
  if (section.port === 0) return rejected(section, 'disabled');
  const direction = directionOf(section) ?? directionOf(answer) ?? 'sendrecv';
  const wanted = to.offer.direction === 'sendonly' ? 'recvonly' : 'sendonly';
  if (direction !== wanted && direction !== 'sendrecv') return rejected(section, 'direction');
  const rtp = readRtpSection(section);
  const formats = to.offer[to.kind];
  const codec = offeredCodecs(to.kind, rtp.formats).find((one) => formats.some((format) => format.codec === one.codec));
  if (codec === undefined) return rejected(section, 'codecs');
  if (!hasSdpAttribute(section, 'rtcp-mux') && !hasSdpAttribute(answer, 'rtcp-mux'))
    throw invalidAnswer('RTP and RTCP do not share a port (a=rtcp-mux)');
  return track(section, { rtp, codec, to });
}

function track(
  section: MediaDescription,
  { rtp, codec, to }: { readonly rtp: RtpSection; readonly codec: OfferedCodec; readonly to: AnswerTo },
): NegotiatedTrack {
  const { kind, offer } = to;
  const { format } = codec;
  const extensions = answeredExtensions(rtp, offer);
  return {
    accepted: true,
    kind,
    mid: sdpValue(section, 'mid'),
    protocol: section.protocol,
    direction: offer.direction,
    codec: codec.codec,
    encodingName: format.encodingName,
    payloadType: format.payloadType,
    clockRate: format.clockRate,
    channels: format.channels,
    formatParameters: writeFormatParameters(format.parameters),
    packetizationMode: codec.packetizationMode,
    match: 'same',
    rtxPayloadType: kind === 'video' ? rtxPayloadType(rtp.formats, format.payloadType) : undefined,
    feedback: chooseFeedback(format, { kind, extensions }),
    extensions,
    sources: offer.direction === 'recvonly' ? offeredSources(rtp) : NO_SOURCES,
    reducedSizeRtcp: hasSdpAttribute(section, 'rtcp-rsize'),
  };
}

const NO_SOURCES = Object.freeze({ ssrc: undefined, rtxSsrc: undefined, cname: undefined, all: [] });

/** Extensions of the offer that the answer has as well, by the ids of the answer. */
function answeredExtensions({ extensions }: RtpSection, offer: OfferToMake): NegotiatedExtensions {
  const idOf = (name: keyof NegotiatedExtensions): number | undefined =>
    offer.extensions.includes(name) ? extensions.find(({ uri }) => uri === EXTENSION_URIS[name])?.id : undefined;
  return {
    transportCc: idOf('transportCc'),
    absSendTime: idOf('absSendTime'),
    mid: idOf('mid'),
    audioLevel: idOf('audioLevel'),
    videoOrientation: idOf('videoOrientation'),
  };
}

/** By a group, or because all sections have the same ICE user: servers that bundle do not always say so. */
function isOneTransport(answer: SessionDescription, parts: readonly MediaDescription[]): boolean {
  if (parts.length < 2) return true;
  const group = sdpValues(answer, 'group').find((value) => /^BUNDLE\b/i.test(value));
  const mids = group?.split(/\s+/).slice(1) ?? [];
  if (group !== undefined && parts.every((part) => mids.includes(sdpValue(part, 'mid') ?? ''))) return true;
  return new Set(parts.map((part) => sdpValue(part, 'ice-ufrag'))).size === 1;
}

function rejected({ kind, protocol, formats, ...section }: MediaDescription, reason: RejectReason): RejectedSection {
  const mid = sdpValue(section, 'mid');
  return { accepted: false, kind, mid, protocol, formats: formats.slice(0, 1), reason };
}
