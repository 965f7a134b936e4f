import { readFileSync } from 'node:fs';
import type { LocalDescription } from '../index.ts';
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
