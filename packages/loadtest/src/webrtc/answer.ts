import { isIPv4 } from 'node:net';
import {
  type Codec,
  iceCredentials,
  ProtocolError,
  parseFingerprint,
  parseIceCandidate,
  parseSessionDescription,
  readRtpSection,
  type SdpFingerprint,
  sdpValue,
  sdpValues,
} from '@sluice/media';
import type { IceCredentials } from './offer.ts';

/** Where the server may be. */
export interface RemoteEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What packets of a payload type are. */
export interface PayloadKind {
  readonly kind: 'video' | 'audio';
  readonly codec: Codec;
  readonly clockRate: number;
  /** They repeat packets of that payload type. */
  readonly repeats: number | undefined;
}

/** What of a server's answer matters to a client. */
export interface AnswerFacts {
  readonly ice: IceCredentials;
  readonly fingerprints: readonly SdpFingerprint[];
  /** Ours, in the handshake. */
  readonly dtlsRole: 'client' | 'server';
  /** By UDP and IPv4, those that are as the address of the signalling first. */
  readonly endpoints: readonly RemoteEndpoint[];
  readonly payloads: ReadonlyMap<number, PayloadKind>;
  /** Number of the header extension with transport-wide sequence numbers. */
  readonly transportCcId: number | undefined;
}

const TRANSPORT_CC = 'transport-wide-cc';
const MAX_ENDPOINTS = 8;
const CODECS: Readonly<Record<string, Codec>> = {
  h264: 'h264',
  h265: 'h265',
  vp8: 'vp8',
  vp9: 'vp9',
  av1: 'av1',
  opus: 'opus',
  pcma: 'pcma',
  pcmu: 'pcmu',
};

/**
 * Reads an answer.
 * @param host of the address that it came from
 * @throws Error when there is no way to a connection by it
 */
export function readAnswer(text: string, host: string): AnswerFacts {
  const description = parsed(text);
  const sections = description.media.filter(({ port }) => port !== 0);
  const [first] = sections;
  if (first === undefined) throw new Error('the server accepts neither sound nor picture');
  const own = (name: string): string | undefined => sdpValue(first, name) ?? sdpValue(description, name);
  const ice = iceCredentials(own('ice-ufrag'), own('ice-pwd'));
  if (ice === undefined) throw new Error('the answer has no ICE credentials');
  const fingerprints = [description, ...sections]
    .flatMap((part) => sdpValues(part, 'fingerprint'))
    .map(parseFingerprint)
    .filter((fingerprint) => fingerprint !== undefined);
  const candidates = [description, ...sections].flatMap((part) => sdpValues(part, 'candidate'));
  const endpoints = endpointsOf(candidates, host);
  if (endpoints.length === 0) throw new Error('the answer has no candidate by UDP and IPv4');
  const rtp = sections.map((section) => ({ section, facts: readRtpSection(section) }));
  const extensions = rtp.flatMap(({ facts }) => facts.extensions);
  return {
    ice,
    fingerprints,
    dtlsRole: own('setup') === 'active' ? 'server' : 'client',
    endpoints,
    payloads: new Map(rtp.flatMap(({ section, facts }) => payloadsOf(section.kind, facts.formats))),
    transportCcId: extensions.find(({ uri }) => uri.includes(TRANSPORT_CC))?.id,
  };
}

function parsed(text: string): ReturnType<typeof parseSessionDescription> {
  try {
    return parseSessionDescription(text);
  } catch (error) {
    if (error instanceof ProtocolError) throw new Error(`the answer is no session description: ${error.message}`);
    throw error;
  }
}

function endpointsOf(candidates: readonly string[], host: string): RemoteEndpoint[] {
  const found = new Map<string, RemoteEndpoint>();
  for (const text of candidates) {
    const candidate = parseIceCandidate(text);
    if (candidate?.transport !== 'udp' || candidate.component !== 1 || !isIPv4(candidate.address)) continue;
    found.set(`${candidate.address}:${candidate.port}`, { address: candidate.address, port: candidate.port });
  }
  const rank = ({ address }: RemoteEndpoint): number => (address === host ? 0 : 1);
  return [...found.values()].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_ENDPOINTS);
}

function payloadsOf(
  kind: string,
  formats: ReturnType<typeof readRtpSection>['formats'],
): (readonly [number, PayloadKind])[] {
  if (kind !== 'video' && kind !== 'audio') return [];
  const codecOf = (payloadType: number): Codec | undefined => {
    const name = formats.find((format) => format.payloadType === payloadType)?.encodingName;
    return name === undefined ? undefined : CODECS[name.toLowerCase()];
  };
  return formats.flatMap(({ payloadType, encodingName, clockRate, parameters }) => {
    const repeats = encodingName.toLowerCase() === 'rtx' ? Number(parameters.get('apt')) : undefined;
    const codec = codecOf(repeats ?? payloadType);
    return codec === undefined ? [] : [[payloadType, { kind, codec, clockRate, repeats }] as const];
  });
}
