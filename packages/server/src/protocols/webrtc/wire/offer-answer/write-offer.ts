import {
  type IceCandidate,
  type MediaDescription,
  type SdpAttribute,
  type SdpFingerprint,
  writeIceCandidate,
  writeSessionDescription,
} from '@sluice/media';
import type { NegotiatedExtensions } from './negotiated.ts';
import type { RtpCodec } from './policy.ts';
import { EXTENSION_URIS } from './rtp-features.ts';
import type { LocalSources } from './write-answer.ts';

/** A codec that we offer. */
export interface FormatToOffer {
  readonly codec: RtpCodec;
  /** H.264: `profile-level-id` in hexadecimal; packets may be aggregates and fragments. */
  readonly profileLevelId?: string | undefined;
}

/** What we offer, as the side that begins. Sound comes first, as browsers have it. */
export interface OfferToMake {
  /** As we see it. */
  readonly direction: 'sendonly' | 'recvonly';
  /** In order of preference; none for a kind of media that is not offered. */
  readonly video: readonly FormatToOffer[];
  readonly audio: readonly FormatToOffer[];
  /** Header extensions that are offered, by what they are for. */
  readonly extensions: readonly (keyof NegotiatedExtensions)[];
}

/** Where we are, and what we send. */
export interface LocalOffer {
  /** Number of the session, digits; any that is new. */
  readonly sessionId: string;
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  readonly fingerprint: SdpFingerprint;
  /** All that there are: none will come later. */
  readonly candidates: readonly IceCandidate[];
  /** Needed for what is sent. */
  readonly sending?: LocalSources | undefined;
}

interface FormatFacts {
  readonly name: string;
  readonly clockRate: number;
  readonly channels?: number;
  /** Numbers of these are fixed (RFC 3551 §6), or what everybody uses. */
  readonly payloadType?: number;
  readonly parameters: string;
}

const FORMATS: Readonly<Record<RtpCodec, FormatFacts>> = {
  h264: { name: 'H264', clockRate: 90_000, parameters: 'level-asymmetry-allowed=1;packetization-mode=1' },
  h265: { name: 'H265', clockRate: 90_000, parameters: 'level-id=156;profile-id=1;tier-flag=0;tx-mode=SRST' },
  vp8: { name: 'VP8', clockRate: 90_000, parameters: '' },
  vp9: { name: 'VP9', clockRate: 90_000, parameters: 'profile-id=0' },
  av1: { name: 'AV1', clockRate: 90_000, parameters: 'level-idx=5;profile=0;tier=0' },
  opus: {
    name: 'opus',
    clockRate: 48_000,
    channels: 2,
    payloadType: 111,
    parameters: 'minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1',
  },
  pcmu: { name: 'PCMU', clockRate: 8000, payloadType: 0, parameters: '' },
  pcma: { name: 'PCMA', clockRate: 8000, payloadType: 8, parameters: '' },
  // RFC 3551 §4.5.2: 8000, although it is sampled at 16000.
  g722: { name: 'G722', clockRate: 8000, payloadType: 9, parameters: '' },
};

const EXTENSION_IDS: Readonly<Partial<Record<keyof NegotiatedExtensions, number>>> = {
  audioLevel: 1,
  absSendTime: 2,
  transportCc: 3,
  mid: 4,
  videoOrientation: 13,
};
/** Extensions of one kind of media only. */
const ONLY_OF: Partial<Record<keyof NegotiatedExtensions, 'video' | 'audio'>> = {
  audioLevel: 'audio',
  videoOrientation: 'video',
};
const FIRST_DYNAMIC_PAYLOAD_TYPE = 96;
const DISCARD_PORT = '9';

/** Writes our offer (RFC 8829 §5.2): one transport for all, RTCP on RTP's port, DTLS in whichever role. */
export function writeOffer(offer: OfferToMake, local: LocalOffer): string {
  const media = (['audio', 'video'] as const)
    .filter((kind) => offer[kind].length > 0)
    .map((kind, index) => section(kind, { offer, local, mid: String(index) }));
  const mids = media.map((_, index) => index).join(' ');
  const attributes = [
    { name: 'group', value: `BUNDLE ${mids}` },
    { name: 'msid-semantic', value: ` WMS ${local.sending?.streamId ?? ''}`.trimEnd() },
  ];
  const origin = {
    username: '-',
    sessionId: local.sessionId,
    sessionVersion: '2',
    addressType: 'IP4',
    address: '127.0.0.1',
  } as const;
  return writeSessionDescription({ origin, name: 'Sluice', attributes, media });
}

interface SectionParts {
  readonly offer: OfferToMake;
  readonly local: LocalOffer;
  readonly mid: string;
}

function section(kind: 'video' | 'audio', { offer, local, mid }: SectionParts): MediaDescription {
  const formats = numbered(kind, offer[kind]);
  const extensions = offer.extensions.filter((name) => (ONLY_OF[name] ?? kind) === kind);
  const attributes: SdpAttribute[] = [
    { name: 'rtcp', value: `${DISCARD_PORT} IN IP4 0.0.0.0` },
    ...local.candidates.map((candidate) => ({ name: 'candidate', value: writeIceCandidate(candidate) })),
    { name: 'end-of-candidates' },
    { name: 'ice-ufrag', value: local.ice.ufrag },
    { name: 'ice-pwd', value: local.ice.pwd },
    { name: 'fingerprint', value: `${local.fingerprint.algorithm} ${local.fingerprint.value}` },
    { name: 'setup', value: 'actpass' },
    { name: 'mid', value: mid },
    ...extensions.map((name) => ({ name: 'extmap', value: `${EXTENSION_IDS[name]} ${EXTENSION_URIS[name]}` })),
    { name: offer.direction },
    { name: 'rtcp-mux' },
    { name: 'rtcp-rsize' },
    ...formats.flatMap((format) => formatAttributes(kind, format, extensions.includes('transportCc'))),
    ...sourceAttributes(kind, local.sending),
  ];
  const payloadTypes = formats.flatMap(({ payloadType, rtx }) =>
    rtx === undefined ? [payloadType] : [payloadType, rtx],
  );
  const [first] = local.candidates;
  const connection = first?.address.includes(':') === false ? `IN IP4 ${first.address}` : 'IN IP4 0.0.0.0';
  return {
    kind,
    port: first?.port ?? Number(DISCARD_PORT),
    protocol: 'UDP/TLS/RTP/SAVPF',
    formats: payloadTypes.map(String),
    connection,
    attributes,
  };
}

interface NumberedFormat extends FormatToOffer {
  readonly payloadType: number;
  /** Payload type of its retransmissions. */
  readonly rtx: number | undefined;
}

function numbered(kind: 'video' | 'audio', formats: readonly FormatToOffer[]): NumberedFormat[] {
  let next = FIRST_DYNAMIC_PAYLOAD_TYPE;
  return formats.map((format) => {
    const payloadType = FORMATS[format.codec].payloadType ?? next++;
    return { ...format, payloadType, rtx: kind === 'video' ? next++ : undefined };
  });
}

function formatAttributes(kind: 'video' | 'audio', format: NumberedFormat, transportCc: boolean): SdpAttribute[] {
  const { payloadType, rtx, codec, profileLevelId } = format;
  const { name, clockRate, channels, parameters } = FORMATS[codec];
  const feedback = [
    ...(transportCc ? ['transport-cc'] : []),
    ...(kind === 'video' ? ['goog-remb', 'ccm fir', 'nack', 'nack pli'] : []),
  ];
  const formatParameters =
    profileLevelId === undefined ? parameters : `${parameters};profile-level-id=${profileLevelId}`;
  return [
    { name: 'rtpmap', value: `${payloadType} ${name}/${clockRate}${channels === undefined ? '' : `/${channels}`}` },
    ...feedback.map((value) => ({ name: 'rtcp-fb', value: `${payloadType} ${value}` })),
    ...(formatParameters === '' ? [] : [{ name: 'fmtp', value: `${payloadType} ${formatParameters}` }]),
    ...(rtx === undefined
      ? []
      : [
          { name: 'rtpmap', value: `${rtx} rtx/${clockRate}` },
          { name: 'fmtp', value: `${rtx} apt=${payloadType}` },
        ]),
  ];
}

function sourceAttributes(kind: 'video' | 'audio', sending: LocalSources | undefined): SdpAttribute[] {
  const source = sending?.[kind];
  if (sending === undefined || source === undefined) return [];
  const { ssrc, rtxSsrc, trackId } = source;
  const ssrcs = kind === 'audio' || rtxSsrc === undefined ? [ssrc] : [ssrc, rtxSsrc];
  return [
    { name: 'msid', value: `${sending.streamId} ${trackId}` },
    ...(ssrcs.length > 1 ? [{ name: 'ssrc-group', value: `FID ${ssrcs.join(' ')}` }] : []),
    ...ssrcs.flatMap((one) => [
      { name: 'ssrc', value: `${one} cname:${sending.cname}` },
      { name: 'ssrc', value: `${one} msid:${sending.streamId} ${trackId}` },
    ]),
  ];
}
