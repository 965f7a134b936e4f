import type { RtpPayloadFormat, RtpSection } from '@sluice/media';
import type { NegotiatedExtensions, NegotiatedFeedback, OfferedSources } from './negotiated.ts';
import type { OfferPolicy } from './policy.ts';

/** URIs of the RTP header extensions that we use. */
export const EXTENSION_URIS: Readonly<Record<keyof NegotiatedExtensions, string>> = {
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportCc: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  videoOrientation: 'urn:3gpp:video-orientation',
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  dependencyDescriptor: 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
};

/** Header extensions of the offer that we use, with the ids of the offer. */
export function chooseExtensions(
  { extensions }: RtpSection,
  kind: 'video' | 'audio',
  policy: OfferPolicy,
): NegotiatedExtensions {
  const isPublished = policy.direction === 'receive';
  const isVideo = kind === 'video';
  // In `a=extmap:4/sendonly` the direction is the client's; the other half is of no use.
  const useless = isPublished ? ['recvonly', 'inactive'] : ['sendonly', 'inactive'];
  const idOf = (name: keyof NegotiatedExtensions): number | undefined =>
    extensions.find(({ uri, direction }) => uri === EXTENSION_URIS[name] && !useless.includes(direction ?? ''))?.id;
  return {
    transportCc: policy.transportCc ? idOf('transportCc') : undefined,
    absSendTime: idOf('absSendTime'),
    mid: idOf('mid'),
    audioLevel: isVideo ? undefined : idOf('audioLevel'),
    videoOrientation: isVideo && policy.videoOrientation ? idOf('videoOrientation') : undefined,
    // Packets that we send have neither names of encodings nor descriptions of what depends on what.
    rid: isVideo && isPublished ? idOf('rid') : undefined,
    repairedRid: isVideo && isPublished ? idOf('repairedRid') : undefined,
    dependencyDescriptor: isVideo && isPublished ? idOf('dependencyDescriptor') : undefined,
  };
}

/**
 * RTCP feedback of the offer that we use too.
 * @param section.capped We may limit the sender by REMB beside transport-wide congestion control, with which it finds
 *   out for itself what the way carries
 */
export function chooseFeedback(
  { feedback }: RtpPayloadFormat,
  section: {
    readonly kind: 'video' | 'audio';
    readonly extensions: NegotiatedExtensions;
    readonly capped?: boolean | undefined;
  },
): NegotiatedFeedback {
  const { kind, extensions, capped = false } = section;
  const isVideo = kind === 'video';
  const transportCc = feedback.includes('transport-cc') && extensions.transportCc !== undefined;
  return {
    nack: feedback.includes('nack'),
    pli: isVideo && feedback.includes('nack pli'),
    fir: isVideo && feedback.includes('ccm fir'),
    transportCc,
    remb: (!transportCc || capped) && feedback.includes('goog-remb'),
  };
}

/** Sources that the client announces for a section. */
export function offeredSources({ sources, sourceGroups }: RtpSection): OfferedSources {
  // FFmpeg names its source of retransmissions in the group only.
  const all = [...new Set([...sources.map(({ ssrc }) => ssrc), ...sourceGroups.flatMap(({ ssrcs }) => ssrcs)])];
  const simulcast = sourceGroups.find(({ semantics }) => semantics === 'SIM')?.ssrcs[0];
  const pairs = sourceGroups.filter(({ semantics }) => semantics === 'FID').map(({ ssrcs }) => ssrcs);
  const ssrc = simulcast ?? pairs[0]?.[0] ?? all[0];
  const rtxSsrc = pairs.find(([media]) => media === ssrc)?.[1];
  return { ssrc, rtxSsrc, cname: sources.find((source) => source.ssrc === ssrc)?.cname, all };
}
