import { type MediaDescription, type RtpSection, readSimulcast } from '@sluice/media';
import type { NegotiatedLayer } from './negotiated.ts';
import type { OfferPolicy } from './policy.ts';
import { EXTENSION_URIS } from './rtp-features.ts';

/** Encodings of one picture that are taken; more cost a publisher more than they bring anybody. */
const MAX_LAYERS = 4;

/** How a picture in several encodings is offered. */
export interface OfferedLayers {
  /** Two at least, in the order of the offer. */
  readonly layers: readonly NegotiatedLayer[];
  /** They have names, which packets and answer have too; else the offer names their sources (`a=ssrc-group:SIM`). */
  readonly named: boolean;
}

/**
 * The encodings in which a publisher sends its picture with that payload type (RFC 8853 §5.3.2); undefined for one
 * alone. Encodings with names need the extension that carries these (RFC 8852).
 */
export function chooseLayers(
  section: MediaDescription,
  from: { readonly rtp: RtpSection; readonly payloadType: number },
  policy: OfferPolicy,
): OfferedLayers | undefined {
  if (policy.direction !== 'receive' || policy.simulcast !== true) return undefined;
  const { rtp, payloadType } = from;
  const named = rtp.extensions.some(({ uri }) => uri === EXTENSION_URIS.rid) ? namedLayers(section, payloadType) : [];
  if (named.length > 1) return { layers: named, named: true };
  const bySource = sourceLayers(rtp);
  return bySource.length > 1 ? { layers: bySource, named: false } : undefined;
}

function namedLayers(section: MediaDescription, payloadType: number): NegotiatedLayer[] {
  const layers = readSimulcast(section, 'send').flatMap((alternatives): NegotiatedLayer[] => {
    const usable = alternatives.find(({ payloadTypes }) => payloadTypes?.includes(payloadType) ?? true);
    return usable === undefined ? [] : [{ rid: usable.rid }];
  });
  return layers.slice(0, MAX_LAYERS);
}

/** What browsers did before there were names: the sources of the encodings, the smallest one first. */
function sourceLayers({ sourceGroups }: RtpSection): NegotiatedLayer[] {
  const group = sourceGroups.find(({ semantics }) => semantics === 'SIM');
  const ssrcs = [...new Set(group?.ssrcs)].slice(0, MAX_LAYERS);
  return ssrcs.map((ssrc, position) => ({
    rid: String(position),
    ssrc,
    rtxSsrc: sourceGroups.find(({ semantics, ssrcs: [media] }) => semantics === 'FID' && media === ssrc)?.ssrcs[1],
  }));
}
