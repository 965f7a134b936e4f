import { type MediaDescription, sdpValue, sdpValues } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import {
  OTHER_OFFERS,
  PLAY_OFFERS,
  PUBLISH_OFFERS,
  SIMULCAST_OFFERS,
} from '../../../../../../media/src/sdp/testing/fixtures.ts';
import { negotiate, parseOffer, writeAnswer } from './index.ts';
import type { OfferPolicy } from './policy.ts';
import { LOCAL, receivePolicy, sdpFixture, sendPolicy } from './testing/fixtures.ts';

function answerTo(offer: string, policy: OfferPolicy): string {
  return writeAnswer(negotiate(parseOffer(offer), policy), LOCAL);
}

function sectionsOf(answer: string): MediaDescription[] {
  return [...parseOffer(answer).media];
}

const PUB1 = sdpFixture('offer-publishStream-pub1');
const PLAY1 = sdpFixture('offer-playStream-play1');

const CASES: [name: string, policy: OfferPolicy][] = [
  ...[...PUBLISH_OFFERS, ...OTHER_OFFERS, ...SIMULCAST_OFFERS].map((name): [string, OfferPolicy] => [
    name,
    receivePolicy(),
  ]),
  ...PLAY_OFFERS.map((name): [string, OfferPolicy] => [name, sendPolicy()]),
];

describe.each(CASES)('the answer to %s', (name, policy) => {
  const offer = parseOffer(sdpFixture(name));
  const text = answerTo(sdpFixture(name), policy);
  const answer = parseOffer(text);

  it('has the sections of the offer in their order, with their mids and protocols', () => {
    const outline = (sections: readonly MediaDescription[]): unknown[] =>
      sections.map((one) => [one.kind, one.protocol, sdpValue(one, 'mid')]);
    expect(outline(answer.media)).toEqual(outline(offer.media));
    expect(text).toMatch(/^v=0\r\no=- \d+ 2 IN IP4 203\.0\.113\.5\r\ns=Sluice\r\nt=0 0\r\n/);
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  });

  it('has the whole transport in each section, and candidates in the first one only', () => {
    for (const section of answer.media) {
      expect(sdpValue(section, 'rtcp-mux')).toBe('');
      expect(sdpValue(section, 'ice-ufrag')).toBe('srvU');
      expect(sdpValue(section, 'ice-pwd')).toBe('serverPasswordOf24Chars0');
      expect(sdpValue(section, 'fingerprint')).toMatch(/^sha-256 (AB:){31}AB$/);
      expect(sdpValue(section, 'setup')).toMatch(/^(active|passive)$/);
      expect(section).toMatchObject({ port: 31_001, connection: 'IN IP4 203.0.113.5' });
    }
    const [first, ...others] = answer.media;
    expect(first && sdpValues(first, 'candidate')).toEqual([
      '1 1 udp 2130706431 203.0.113.5 31001 typ host',
      '2 1 udp 2130706175 2001:db8::5 31001 typ host',
    ]);
    expect(text.match(/a=candidate:.*\r\na=candidate:.*\r\na=end-of-candidates/g)).toHaveLength(1);
    expect(others.flatMap((section) => sdpValues(section, 'candidate'))).toEqual([]);
    expect(sdpValue(answer, 'ice-lite')).toBe('');
  });

  it('has no payload type, parameter line or extension id that the offer does not have', () => {
    for (const [i, section] of answer.media.entries()) {
      const offered = offer.media[i];
      for (const format of section.formats) expect(offered?.formats).toContain(format);
      const ids = (part: MediaDescription | undefined): string[] =>
        sdpValues(part ?? section, 'extmap').map((value) => value.replace(/\/\w+/, ''));
      for (const id of ids(section)) expect(ids(offered)).toContain(id);
      for (const feedback of sdpValues(section, 'rtcp-fb'))
        expect(offered && sdpValues(offered, 'rtcp-fb')).toContain(feedback);
    }
    expect(text).not.toMatch(/red\/|ulpfec|flexfec|CN\/|telephone-event|rtp-stream-id|playout-delay|sprop-parameter/i);
  });
});

describe('the answer to a publisher', () => {
  it('says all that it should, in an order that the Web SDK does not damage', () => {
    const [, video] = sectionsOf(answerTo(PUB1, receivePolicy({ maxBitrateBps: 2_000_000 })));
    const lines = video?.attributes.map(({ name, value }) => (value === undefined ? name : `${name}:${value}`));
    expect(lines).toEqual([
      'rtcp:9 IN IP4 0.0.0.0',
      'ice-ufrag:srvU',
      'ice-pwd:serverPasswordOf24Chars0',
      `fingerprint:${LOCAL.fingerprint.algorithm} ${LOCAL.fingerprint.value}`,
      'setup:passive',
      'mid:1',
      'extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
      'extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      'extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      'recvonly',
      'rtcp-mux',
      'rtcp-rsize',
      'rtpmap:108 H264/90000',
      'rtcp-fb:108 transport-cc',
      'rtcp-fb:108 goog-remb',
      'rtcp-fb:108 ccm fir',
      'rtcp-fb:108 nack',
      'rtcp-fb:108 nack pli',
      'fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f;x-google-max-bitrate=2000',
      'rtpmap:109 rtx/90000',
      'fmtp:109 apt=108',
    ]);
  });

  it('names no sources and no streams', () => {
    expect(answerTo(PUB1, receivePolicy())).not.toMatch(/a=(ssrc|msid:)/);
  });

  it('is short enough for FFmpeg, and takes the other role of its DTLS', () => {
    const text = answerTo(sdpFixture('whip-ffmpeg8'), receivePolicy());
    expect(text.length).toBeLessThan(8192);
    expect(text).toMatch(/a=setup:active/);
    expect(text.match(/a=candidate:.*/)?.[0]).toMatch(/ udp \d+ 203\.0\.113\.5 31001 typ host$/);
  });
});

describe('the answer to a player', () => {
  const text = answerTo(PLAY1, sendPolicy());
  const [audio, video] = sectionsOf(text);

  it('puts sound and picture into one stream', () => {
    expect(audio && sdpValues(audio, 'msid')).toEqual(['stream sound']);
    expect(video && sdpValues(video, 'msid')).toEqual(['stream picture']);
    expect(text).toContain('a=msid-semantic: WMS stream\r\n');
  });

  it('declares every source, and which one repeats the other', () => {
    expect(audio && sdpValues(audio, 'ssrc')).toEqual(['3333 cname:cname', '3333 msid:stream sound']);
    expect(video && sdpValues(video, 'ssrc-group')).toEqual(['FID 1111 2222']);
    expect(video && sdpValues(video, 'ssrc')).toEqual([
      '1111 cname:cname',
      '1111 msid:stream picture',
      '2222 cname:cname',
      '2222 msid:stream picture',
    ]);
  });

  it('has the codec that is really sent first', () => {
    expect(video?.formats).toEqual(['108', '109']);
    expect(audio?.formats).toEqual(['111']);
  });

  it('has no second source without retransmissions', () => {
    const offer = PLAY1.replaceAll(/ rtx\/90000/g, ' other/90000');
    const [, picture] = sectionsOf(answerTo(offer, sendPolicy()));
    expect(picture && sdpValues(picture, 'ssrc-group')).toEqual([]);
    expect(picture && sdpValues(picture, 'ssrc')).toHaveLength(2);
  });

  it('never has the orientation of the picture unless it was wanted', () => {
    expect(text).not.toContain('video-orientation');
    expect(answerTo(PLAY1, sendPolicy({ videoOrientation: true }))).toContain('a=extmap:13 urn:3gpp:video-orientation');
  });
});

describe('a section that is refused', () => {
  it('has port 0, keeps its name and is not in the bundle', () => {
    const text = answerTo(PUB1, receivePolicy({ videoCodecs: [] }));
    const [audio, video] = sectionsOf(text);
    expect(text).toContain('a=group:BUNDLE 0\r\n');
    expect(video).toEqual({
      kind: 'video',
      port: 0,
      protocol: 'UDP/TLS/RTP/SAVPF',
      formats: ['96'],
      connection: 'IN IP4 0.0.0.0',
      attributes: [{ name: 'mid', value: '1' }, { name: 'inactive' }],
    });
    expect(audio && sdpValues(audio, 'candidate')).toHaveLength(2);
  });

  it('leaves the candidates to the next one when it is no part of the bundle that is used', () => {
    const offer = PUB1.replace('BUNDLE 0 1', 'BUNDLE 1');
    const text = answerTo(offer, receivePolicy());
    const [audio, video] = sectionsOf(text);
    expect(text).toContain('a=group:BUNDLE 1\r\n');
    expect(audio?.port).toBe(0);
    expect(video && sdpValues(video, 'candidate')).toHaveLength(2);
  });

  it('is what becomes of a data channel', () => {
    const offer = `${PUB1.replace('BUNDLE 0 1', 'BUNDLE 0 1 2')}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n`;
    const text = answerTo(offer, receivePolicy());
    expect(text).toContain('a=group:BUNDLE 0 1\r\n');
    expect(text).toMatch(
      /m=application 0 UDP\/DTLS\/SCTP webrtc-datachannel\r\nc=IN IP4 0\.0\.0\.0\r\na=mid:2\r\na=inactive\r\n$/,
    );
  });

  it.each([
    ['whip-gstreamer', receivePolicy({ videoCodecs: [] }), 'video0 audio1', ['rtpmap:96 VP8/90000']],
    [
      'offer-playStream-play1',
      sendPolicy({ audio: undefined }),
      '0 1',
      ['rtpmap:111 opus/48000/2', 'fmtp:111 minptime=10;useinbandfec=1'],
    ],
  ] as const)('stays, inactive, when it is the one whose transport is used (%s)', (name, policy, group, format) => {
    const text = answerTo(sdpFixture(name), policy);
    const [unused, used] = parseOffer(text).media;
    expect(text).toContain(`a=group:BUNDLE ${group}\r\n`);
    const lines = unused?.attributes.map(({ name: key, value }) => (value === undefined ? key : `${key}:${value}`));
    expect(lines?.slice(-2 - format.length)).toEqual(['inactive', 'rtcp-mux', ...format]);
    expect(lines?.filter((line) => line.startsWith('candidate'))).toHaveLength(2);
    expect(unused?.port).toBe(31_001);
    expect(used && sdpValues(used, 'candidate')).toEqual([]);
    expect(used?.port).toBe(31_001);
  });
});
