import { describe, expect, it } from 'vitest';
import {
  OTHER_OFFERS,
  PLAY_OFFERS,
  PUBLISH_OFFERS,
  SIMULCAST_OFFERS,
  SOCKET_PLAYER_OFFERS,
} from '../../../../../../media/src/sdp/testing/fixtures.ts';
import { mutate, prng } from '../../../../../../media/src/testing/mutate.ts';
import { parseOffer, writeAnswer } from './index.ts';
import type { NegotiatedTrack } from './negotiated.ts';
import {
  agree,
  codeOf,
  h264,
  LOCAL,
  offerOf,
  receivePolicy,
  sdpFixture,
  sendPolicy,
  video,
} from './testing/fixtures.ts';

const PUB1 = sdpFixture('offer-publishStream-pub1');
const PLAY1 = sdpFixture('offer-playStream-play1');

describe('an offer that can not be used', () => {
  it.each([
    ['has no media', offerOf([])],
    ['only receives', PLAY1],
    ['is inactive', PUB1.replaceAll('a=sendonly', 'a=inactive')],
    ['is without DTLS', PUB1.replaceAll('UDP/TLS/RTP/SAVPF', 'RTP/AVP')],
    ['is for data only', offerOf([], ['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'a=sendrecv'])],
    ['has no ICE', PUB1.replaceAll('a=ice-', 'a=no-')],
    ['has a short ICE password', PUB1.replaceAll(/a=ice-pwd:.*/g, 'a=ice-pwd:short')],
    ['has no fingerprint', PUB1.replaceAll('a=fingerprint', 'a=other')],
    ['has a weak fingerprint only', PUB1.replaceAll('sha-256', 'sha-1')],
    ['is ICE-lite', PUB1.replace('a=extmap-allow-mixed', 'a=ice-lite')],
    ['has a port of its own for RTCP', PUB1.replaceAll('a=rtcp-mux', 'a=other')],
    ['holds the connection', PUB1.replaceAll('a=setup:actpass', 'a=setup:holdconn')],
    ['has no bundle', PUB1.replace('a=group:BUNDLE 0 1', 'a=group:LS 0 1')],
    ['names two sections alike', PUB1.replace('a=mid:1', 'a=mid:0')],
    ['has a name that is no token', PUB1.replace('a=mid:1', 'a=mid:a b')],
    ['is no description', 'hello'],
    ['has too many sections', `v=0\r\n${'m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n'.repeat(2000)}`],
  ])('because it %s gives SDP_INVALID', (_, text) => {
    expect(codeOf(() => agree(text, receivePolicy()))).toBe('SDP_INVALID');
  });

  it.each(SOCKET_PLAYER_OFFERS)('because it is %s, for a player without WebRTC, gives SDP_INVALID', (name) => {
    expect(codeOf(() => agree(sdpFixture(name), sendPolicy()))).toBe('SDP_INVALID');
  });

  it('names the codecs that it has when none can be used', () => {
    expect(() => agree(PUB1, receivePolicy({ videoCodecs: [], audioCodecs: [] }))).toThrow(/opus, red, G722.*VP8/);
  });
});

describe('sections beyond one of each kind', () => {
  const more = [
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'a=mid:2',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:3',
    'a=sendonly',
    'a=rtpmap:96 VP8/90000',
    'm=video 0 UDP/TLS/RTP/SAVPF 96',
    'a=mid:4',
    '',
  ].join('\r\n');

  it('are rejected, each for its reason', () => {
    const { sections } = agree(PUB1.replace('BUNDLE 0 1', 'BUNDLE 0 1 2 3') + more, receivePolicy());
    expect(sections.slice(2)).toMatchObject([
      { accepted: false, kind: 'application', mid: '2', formats: ['webrtc-datachannel'], reason: 'kind' },
      { accepted: false, kind: 'video', mid: '3', reason: 'surplus' },
      { accepted: false, mid: '4', reason: 'disabled' },
    ]);
  });

  it('are rejected when they are outside of the bundle', () => {
    const { sections, video: picture } = agree(PUB1.replace('BUNDLE 0 1', 'BUNDLE 0'), receivePolicy());
    expect(sections[1]).toMatchObject({ accepted: false, reason: 'not_bundled' });
    expect(picture).toBeUndefined();
  });

  it('one section needs neither bundle nor name', () => {
    const agreed = agree(offerOf([], video(...h264(96, 'packetization-mode=1'))), receivePolicy());
    expect(agreed).toMatchObject({ bundled: false, setup: 'passive', video: { mid: undefined } });
    expect(writeAnswer(agreed, LOCAL)).not.toMatch(/a=(mid|group)/);
  });
});

describe('a damaged offer', () => {
  it('is answered or refused with an error of the table, never anything else', () => {
    const random = prng(3264);
    const offers = [...PUBLISH_OFFERS, ...PLAY_OFFERS, ...OTHER_OFFERS, ...SIMULCAST_OFFERS].map((name) =>
      new TextEncoder().encode(sdpFixture(name)),
    );
    const policies = [
      receivePolicy({ videoOrientation: true, simulcast: true, red: true }),
      sendPolicy({ video: { codec: 'vp8', conversions: ['h264'] }, red: true }),
    ];
    let answered = 0;
    for (let round = 0; round < 2000; round++) {
      const text = new TextDecoder().decode(mutate(offers[round % offers.length] ?? new Uint8Array(), random));
      const code = codeOf(() => {
        const agreed = agree(text, policies[round & 1] ?? receivePolicy());
        const types = (track: NegotiatedTrack | undefined): boolean =>
          track === undefined || text.includes(String(track.payloadType));
        expect(types(agreed.video) && types(agreed.audio)).toBe(true);
        expect(agreed.video?.layers?.length ?? 2).toBeOneOf([2, 3, 4]);
        const answer = parseOffer(writeAnswer(agreed, LOCAL));
        expect(answer.media).toHaveLength(agreed.sections.length);
        answered++;
      });
      expect(code).toMatch(/^(nothing thrown|SDP_INVALID|NO_COMMON_CODECS)$/);
    }
    expect(answered).toBeGreaterThan(250);
  }, 60_000);
});
