import { readFileSync } from 'node:fs';
import { MediaServerError } from '../../../../../core/index.ts';
import { type LocalDescription, negotiate, parseOffer } from '../index.ts';
import type { NegotiatedMedia } from '../negotiated.ts';
import type { OfferPolicy, ReceivePolicy, SendPolicy } from '../policy.ts';

/** Text of an offer or answer that a client sent, from the fixtures of the parser. */
export function sdpFixture(name: string): string {
  const folder = new URL('../../../../../../../media/src/sdp/testing/', import.meta.url);
  return readFileSync(new URL(`${name}.sdp`, folder), 'utf8');
}

const COMMON: Omit<ReceivePolicy, 'direction'> = {
  videoCodecs: ['h264', 'vp8', 'vp9', 'av1', 'h265'],
  audioCodecs: ['opus', 'pcma', 'pcmu', 'g722'],
  h264Profiles: ['42e01f'],
  videoOrientation: false,
  transportCc: true,
};

/** A policy for publishers. */
export function receivePolicy(changes: Partial<ReceivePolicy> = {}): OfferPolicy {
  return { ...COMMON, direction: 'receive', ...changes };
}

/** A policy for players of a stream with H.264 and Opus. */
export function sendPolicy(changes: Partial<SendPolicy> = {}): OfferPolicy {
  const source = { video: { codec: 'h264', profileLevelId: '42e01f' }, audio: { codec: 'opus' } };
  return { ...COMMON, direction: 'send', ...source, ...changes };
}

export const LOCAL: LocalDescription = {
  sessionId: '1700000000000',
  ice: { ufrag: 'srvU', pwd: 'serverPasswordOf24Chars0' },
  fingerprint: { algorithm: 'sha-256', value: Array.from({ length: 32 }, () => 'AB').join(':') },
  candidates: [
    {
      foundation: '1',
      component: 1,
      transport: 'udp',
      priority: 2_130_706_431,
      address: '203.0.113.5',
      port: 31_001,
      type: 'host',
    },
    {
      foundation: '2',
      component: 1,
      transport: 'udp',
      priority: 2_130_706_175,
      address: '2001:db8::5',
      port: 31_001,
      type: 'host',
    },
  ],
  sending: {
    streamId: 'stream',
    cname: 'cname',
    video: { trackId: 'picture', ssrc: 1111, rtxSsrc: 2222 },
    audio: { trackId: 'sound', ssrc: 3333 },
  },
};

/** What is agreed on with the client that made this offer. */
export function agree(text: string, policy: OfferPolicy): NegotiatedMedia {
  return negotiate(parseOffer(text), policy);
}

/** Code of the error that `action` throws. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof MediaServerError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

const FINGERPRINT = `sha-256 ${Array.from({ length: 32 }, () => '0A').join(':')}`;

/** An offer with the given sections; each list of lines begins with its `m=` line. */
export function offerOf(session: readonly string[], ...sections: (readonly string[])[]): string {
  const transport = ['a=ice-ufrag:abcd', `a=ice-pwd:${'p'.repeat(24)}`, `a=fingerprint:${FINGERPRINT}`, 'a=rtcp-mux'];
  return ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', ...session, ...transport, ...sections.flat()].join('\r\n');
}

/** A video section with four formats. */
export const video = (...lines: string[]): string[] => ['m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99', ...lines];
/** Lines of an H.264 format. */
export const h264 = (pt: number, fmtp?: string): string[] => [
  `a=rtpmap:${pt} H264/90000`,
  ...(fmtp === undefined ? [] : [`a=fmtp:${pt} ${fmtp}`]),
];
