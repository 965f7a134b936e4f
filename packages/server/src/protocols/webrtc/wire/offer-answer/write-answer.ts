import {
  type IceCandidate,
  type MediaDescription,
  type SdpAttribute,
  type SdpFingerprint,
  writeIceCandidate,
  writeSessionDescription,
} from '@sluice/media';
import type {
  NegotiatedFormat,
  NegotiatedMedia,
  NegotiatedSection,
  NegotiatedTrack,
  RejectedSection,
} from './negotiated.ts';
import { EXTENSION_URIS } from './rtp-features.ts';

/** What the server adds to what was negotiated. */
export interface LocalDescription {
  /** Number of the session, digits; any that is new. */
  readonly sessionId: string;
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  readonly fingerprint: SdpFingerprint;
  /** Where the server is reached, the best one first: clients such as FFmpeg read no more than that. */
  readonly candidates: readonly IceCandidate[];
  /** Needed for what is sent; sound and picture are one MediaStream, because the Web SDK shows only one. */
  readonly sending?: LocalSources | undefined;
}

export interface LocalSources {
  /** Id of the MediaStream, a token. */
  readonly streamId: string;
  readonly cname: string;
  readonly video?: LocalSource | undefined;
  readonly audio?: LocalSource | undefined;
}

export interface LocalSource {
  /** Id of the MediaStreamTrack, a token. */
  readonly trackId: string;
  readonly ssrc: number;
  /** Used when retransmissions were negotiated. */
  readonly rtxSsrc?: number | undefined;
}

const DISCARD_PORT = 9;

/** Writes the answer to an offer. All candidates are in the first section that is used, and no others will come. */
export function writeAnswer(negotiated: NegotiatedMedia, local: LocalDescription): string {
  const tagged = negotiated.sections.find(hasTransport);
  const media = negotiated.sections.map((section) => {
    if (!hasTransport(section)) return rejectedSection(section);
    const transport = transportAttributes(section, { negotiated, local, isTagged: section === tagged });
    return section.accepted ? acceptedSection(section, local, transport) : keptSection(section, local, transport);
  });
  const origin = { username: '-', sessionId: local.sessionId, sessionVersion: '2', ...hostOf(local) } as const;
  return writeSessionDescription({ origin, name: 'Sluice', attributes: sessionAttributes(negotiated, local), media });
}

function sessionAttributes({ sections, bundled, extmapAllowMixed }: NegotiatedMedia, local: LocalDescription) {
  const mids = sections.filter(hasTransport).map(({ mid }) => mid);
  const attributes: SdpAttribute[] = [];
  if (bundled) attributes.push({ name: 'group', value: `BUNDLE ${mids.join(' ')}` });
  if (extmapAllowMixed) attributes.push({ name: 'extmap-allow-mixed' });
  attributes.push({ name: 'msid-semantic', value: ` WMS ${local.sending?.streamId ?? ''}`.trimEnd() });
  attributes.push({ name: 'ice-lite' });
  return attributes;
}

type KeptSection = RejectedSection & { readonly kept: NonNullable<RejectedSection['kept']> };

/** True for sections that are part of the bundle. */
function hasTransport(section: NegotiatedSection): section is NegotiatedTrack | KeptSection {
  return section.accepted || section.kept !== undefined;
}

/** Every section that is used has all of the transport, since not all clients look into the first one. */
function transportAttributes(
  { mid }: NegotiatedSection,
  whole: { readonly negotiated: NegotiatedMedia; readonly local: LocalDescription; readonly isTagged: boolean },
): SdpAttribute[] {
  const { negotiated, local } = whole;
  return [
    { name: 'rtcp', value: `${DISCARD_PORT} IN IP4 0.0.0.0` },
    ...(whole.isTagged ? candidateAttributes(local) : []),
    { name: 'ice-ufrag', value: local.ice.ufrag },
    { name: 'ice-pwd', value: local.ice.pwd },
    { name: 'fingerprint', value: `${local.fingerprint.algorithm} ${local.fingerprint.value}` },
    { name: 'setup', value: negotiated.setup },
    ...(mid === undefined ? [] : [{ name: 'mid', value: mid }]),
  ];
}

function acceptedSection(track: NegotiatedTrack, local: LocalDescription, transport: SdpAttribute[]): MediaDescription {
  const attributes = [
    ...transport,
    ...extensionAttributes(track),
    { name: track.direction },
    ...msidAttributes(track, local),
    { name: 'rtcp-mux' },
    ...(track.reducedSizeRtcp ? [{ name: 'rtcp-rsize' }] : []),
    ...formatsOf(track).flatMap(formatAttributes),
    ...simulcastAttributes(track),
    ...sourceAttributes(track, local),
  ];
  const { kind, protocol } = track;
  return { kind, protocol, formats: payloadTypes(track).map(String), ...addressOf(local), attributes };
}

/** Inactive, for the sake of its transport. */
function keptSection(
  { kind, protocol, kept }: KeptSection,
  local: LocalDescription,
  transport: SdpAttribute[],
): MediaDescription {
  const attributes = [
    ...transport,
    { name: 'inactive' },
    { name: 'rtcp-mux' },
    rtpMap(kept),
    ...formatParameters(kept),
  ];
  return { kind, protocol, formats: [String(kept.payloadType)], ...addressOf(local), attributes };
}

function addressOf(local: LocalDescription): Pick<MediaDescription, 'port' | 'connection'> {
  const { addressType, address } = hostOf(local);
  return { port: local.candidates[0]?.port ?? DISCARD_PORT, connection: `IN ${addressType} ${address}` };
}

/** Port 0 and no transport; the mid stays, outside of the bundle (RFC 9143 §7.3.3). */
function rejectedSection({ kind, mid, protocol, formats }: RejectedSection): MediaDescription {
  const attributes = [...(mid === undefined ? [] : [{ name: 'mid', value: mid }]), { name: 'inactive' }];
  return { kind, port: 0, protocol, formats, connection: 'IN IP4 0.0.0.0', attributes };
}

function hostOf({ candidates }: LocalDescription): { addressType: 'IP4' | 'IP6'; address: string } {
  const address = candidates[0]?.address ?? '0.0.0.0';
  return { addressType: address.includes(':') ? 'IP6' : 'IP4', address };
}

function candidateAttributes({ candidates }: LocalDescription): SdpAttribute[] {
  const lines = candidates.map((candidate) => ({ name: 'candidate', value: writeIceCandidate(candidate) }));
  return [...lines, { name: 'end-of-candidates' }];
}

function extensionAttributes({ extensions }: NegotiatedTrack): SdpAttribute[] {
  const names = Object.keys(EXTENSION_URIS) as (keyof typeof EXTENSION_URIS)[];
  return names.flatMap((name) => {
    const id = extensions[name];
    return id === undefined ? [] : [{ name: 'extmap', value: `${id} ${EXTENSION_URIS[name]}` }];
  });
}

/**
 * The Web SDK takes the first of them for the one that is used. A publisher uses redundancy only where that comes before
 * its codec, which is so in Chromium; a player gets it when it loses packets.
 */
function payloadTypes(track: NegotiatedTrack): number[] {
  const isPublished = track.direction === 'recvonly';
  return formatsOf(track).flatMap(({ payloadType, rtxPayloadType, redPayloadType }) => {
    const types = isPublished ? [redPayloadType, payloadType] : [payloadType, redPayloadType];
    return [...types, rtxPayloadType].filter((type) => type !== undefined);
  });
}

/** The preferred one first. */
function formatsOf(track: NegotiatedTrack): readonly NegotiatedFormat[] {
  return track.also === undefined ? [track] : [track, track.also];
}

/**
 * For each payload type `rtpmap`, `rtcp-fb`, `fmtp`: the Web SDK damages an `fmtp` that is right behind its `rtpmap`
 * when it sets bitrates (websdk-signalling.md §5.4).
 */
function formatAttributes(track: NegotiatedFormat): SdpAttribute[] {
  const { payloadType, clockRate, feedback, rtxPayloadType, redPayloadType } = track;
  const attributes: SdpAttribute[] = [
    rtpMap(track),
    ...feedbackValues(feedback).map((value) => ({ name: 'rtcp-fb', value: `${payloadType} ${value}` })),
    ...formatParameters(track),
  ];
  if (redPayloadType !== undefined) {
    attributes.push(rtpMap({ ...track, payloadType: redPayloadType, encodingName: 'red' }));
    attributes.push({ name: 'fmtp', value: `${redPayloadType} ${payloadType}/${payloadType}` });
  }
  if (rtxPayloadType !== undefined) {
    attributes.push({ name: 'rtpmap', value: `${rtxPayloadType} rtx/${clockRate}` });
    attributes.push({ name: 'fmtp', value: `${rtxPayloadType} apt=${payloadType}` });
  }
  return attributes;
}

function rtpMap(format: KeptSection['kept']): SdpAttribute {
  const { payloadType, encodingName, clockRate, channels } = format;
  const suffix = channels > 1 ? `/${channels}` : '';
  return { name: 'rtpmap', value: `${payloadType} ${encodingName}/${clockRate}${suffix}` };
}

function formatParameters({ payloadType, formatParameters: text }: KeptSection['kept']): SdpAttribute[] {
  return text === '' ? [] : [{ name: 'fmtp', value: `${payloadType} ${text}` }];
}

function feedbackValues({ nack, pli, fir, transportCc, remb }: NegotiatedTrack['feedback']): string[] {
  const values = [
    [transportCc, 'transport-cc'],
    [remb, 'goog-remb'],
    [fir, 'ccm fir'],
    [nack, 'nack'],
    [pli, 'nack pli'],
  ] as const;
  return values.filter(([used]) => used).map(([, value]) => value);
}

/** What the client sends is what we receive (RFC 8853 §5.3.2); encodings without names need no answer. */
function simulcastAttributes({ layers, extensions, direction }: NegotiatedTrack): SdpAttribute[] {
  if (layers === undefined || extensions.rid === undefined || direction !== 'recvonly') return [];
  return [
    ...layers.map(({ rid }) => ({ name: 'rid', value: `${rid} recv` })),
    { name: 'simulcast', value: `recv ${layers.map(({ rid }) => rid).join(';')}` },
  ];
}

function msidAttributes(track: NegotiatedTrack, { sending }: LocalDescription): SdpAttribute[] {
  const source = sending?.[track.kind];
  if (track.direction !== 'sendonly' || sending === undefined || source === undefined) return [];
  return [{ name: 'msid', value: `${sending.streamId} ${source.trackId}` }];
}

function sourceAttributes(track: NegotiatedTrack, { sending }: LocalDescription): SdpAttribute[] {
  const source = sending?.[track.kind];
  if (track.direction !== 'sendonly' || sending === undefined || source === undefined) return [];
  const rtxSsrc = track.rtxPayloadType === undefined ? undefined : source.rtxSsrc;
  const ssrcs = rtxSsrc === undefined ? [source.ssrc] : [source.ssrc, rtxSsrc];
  const group = ssrcs.length > 1 ? [{ name: 'ssrc-group', value: `FID ${ssrcs.join(' ')}` }] : [];
  // Chromium refuses a group whose members are not all declared themselves.
  const declared = ssrcs.flatMap((ssrc) => [
    { name: 'ssrc', value: `${ssrc} cname:${sending.cname}` },
    { name: 'ssrc', value: `${ssrc} msid:${sending.streamId} ${source.trackId}` },
  ]);
  return [...group, ...declared];
}
