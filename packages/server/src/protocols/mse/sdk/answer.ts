import { ProtocolError, parseSessionDescription } from '@sluice/media';
import { MediaServerError } from '../../../core/index.ts';
import type { PlayedKinds } from './acceptance.ts';

/** Any but 0, which would say that the medium is absent; nothing is ever sent there (websdk-signalling.md §9.1). */
const PRESENT_PORT = 1;
const OWN_ATTRIBUTES = ['sendonly', 'recvonly', 'sendrecv', 'inactive'];

/** A section of an offer, as it is given back. */
interface OfferedSection {
  readonly kind: string;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly lines: readonly string[];
}

/** An offer of a Web SDK player by WebSocket: no addresses, only what it takes (§9.1, §10.1). */
export interface SocketOffer {
  readonly kinds: PlayedKinds;
  readonly sections: readonly OfferedSection[];
}

/** @throws MediaServerError SDP_INVALID */
export function readSocketOffer(text: string): SocketOffer {
  const { media } = parsed(text);
  const has = (kind: string): boolean => media.some((section) => section.kind === kind);
  const kinds = { video: has('video'), audio: has('audio') };
  if (!kinds.video && !kinds.audio) throw new MediaServerError('SDP_INVALID', 'the offer has neither video nor audio');
  const sections = media.map(({ kind, protocol, formats, attributes }) => ({
    kind,
    protocol,
    formats,
    lines: attributes
      .filter(({ name }) => !OWN_ATTRIBUTES.includes(name))
      .map(({ name, value }) => (value === undefined ? `a=${name}` : `a=${name}:${value}`)),
  }));
  return { kinds, sections };
}

/** The answer: the offer's own sections, with port 0 where nothing will be sent. */
export function writeSocketAnswer({ sections }: SocketOffer, sent: PlayedKinds): string {
  const used = { video: false, audio: false };
  const lines = sections.flatMap(({ kind, protocol, formats, lines: attributes }) => {
    const isSent = (kind === 'video' || kind === 'audio') && sent[kind] && !used[kind];
    if (kind === 'video' || kind === 'audio') used[kind] = true;
    const port = isSent ? PRESENT_PORT : 0;
    return [`m=${kind} ${port} ${protocol} ${formats.join(' ')}`, ...attributes, isSent ? 'a=sendonly' : 'a=inactive'];
  });
  return `${['v=0', 'o=- 0 0 IN IP4 0.0.0.0', 's=-', 'c=IN IP4 0.0.0.0', 't=0 0', ...lines].join('\r\n')}\r\n`;
}

function parsed(text: string) {
  try {
    return parseSessionDescription(text);
  } catch (cause) {
    if (cause instanceof ProtocolError) throw new MediaServerError('SDP_INVALID', cause.message, { cause });
    throw cause;
  }
}
