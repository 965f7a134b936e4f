import { randomBytes } from 'node:crypto';

/** Names under which a peer proves that it belongs to an offer (RFC 8445 §5.3). */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

export const OPUS_PAYLOAD_TYPE = 111;
/** What publishers send pictures as. */
export const H264_PAYLOAD_TYPE = 102;
export const TRANSPORT_CC_ID = 3;
const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
const H264_FORM = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=';

interface VideoFormat {
  readonly payloadType: number;
  readonly name: string;
  readonly parameters?: string;
}

/** What viewers can count the pictures of; each has a stream of retransmissions, numbered one above. */
const VIEWED: readonly VideoFormat[] = [
  { payloadType: H264_PAYLOAD_TYPE, name: 'H264', parameters: `${H264_FORM}42e01f` },
  { payloadType: 104, name: 'H264', parameters: `${H264_FORM}42001f` },
  { payloadType: 106, name: 'H264', parameters: `${H264_FORM}4d001f` },
  { payloadType: 108, name: 'H264', parameters: `${H264_FORM}64001f` },
  { payloadType: 96, name: 'VP8' },
];
const PUBLISHED: readonly VideoFormat[] = VIEWED.slice(0, 1);

/** What an offer says. */
export interface OfferOptions {
  readonly ice: IceCredentials;
  /** SHA-256, as `a=fingerprint` has it. */
  readonly fingerprint: string;
  /** For a publisher: its sources. */
  readonly sending?: { readonly videoSsrc: number; readonly audioSsrc: number } | undefined;
  /** Feedback about the arrival of packets is offered. */
  readonly transportCc: boolean;
}

/** Credentials that nobody has had before. */
export function newIceCredentials(): IceCredentials {
  return { ufrag: randomBytes(6).toString('hex'), pwd: randomBytes(16).toString('hex') };
}

/** An offer as a browser would make it, for one picture and one sound in one transport. All candidates are to be found out. */
export function writeOffer(options: OfferOptions): string {
  const session = randomBytes(4).readUInt32BE(0);
  return [
    'v=0',
    `o=- ${session} 2 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    'a=msid-semantic: WMS',
    ...audioSection(options),
    ...videoSection(options),
    '',
  ].join('\r\n');
}

function audioSection(options: OfferOptions): string[] {
  return [
    `m=audio 9 UDP/TLS/RTP/SAVPF ${OPUS_PAYLOAD_TYPE}`,
    ...transport(options, 0),
    `a=rtpmap:${OPUS_PAYLOAD_TYPE} opus/48000/2`,
    `a=fmtp:${OPUS_PAYLOAD_TYPE} minptime=10;useinbandfec=1`,
    ...(options.transportCc ? [`a=rtcp-fb:${OPUS_PAYLOAD_TYPE} transport-cc`] : []),
    ...source(options.sending?.audioSsrc),
  ];
}

function videoSection(options: OfferOptions): string[] {
  const formats = options.sending === undefined ? VIEWED : PUBLISHED;
  const numbers = formats.flatMap(({ payloadType }) => [payloadType, payloadType + 1]);
  return [
    `m=video 9 UDP/TLS/RTP/SAVPF ${numbers.join(' ')}`,
    ...transport(options, 1),
    ...formats.flatMap(({ payloadType, name, parameters }) => [
      `a=rtpmap:${payloadType} ${name}/90000`,
      ...(parameters === undefined ? [] : [`a=fmtp:${payloadType} ${parameters}`]),
      ...(options.transportCc ? [`a=rtcp-fb:${payloadType} transport-cc`] : []),
      ...['ccm fir', 'nack', 'nack pli'].map((feedback) => `a=rtcp-fb:${payloadType} ${feedback}`),
      `a=rtpmap:${payloadType + 1} rtx/90000`,
      `a=fmtp:${payloadType + 1} apt=${payloadType}`,
    ]),
    ...source(options.sending?.videoSsrc),
  ];
}

function transport({ ice, fingerprint, sending, transportCc }: OfferOptions, mid: number): string[] {
  return [
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.pwd}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    'a=setup:actpass',
    `a=mid:${mid}`,
    ...(transportCc ? [`a=extmap:${TRANSPORT_CC_ID} ${TRANSPORT_CC}`] : []),
    sending === undefined ? 'a=recvonly' : 'a=sendonly',
    'a=rtcp-mux',
    'a=rtcp-rsize',
  ];
}

function source(ssrc: number | undefined): string[] {
  return ssrc === undefined ? [] : [`a=msid:load load${ssrc}`, `a=ssrc:${ssrc} cname:sluice-load`];
}
