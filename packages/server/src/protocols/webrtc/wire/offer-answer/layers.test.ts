import { sdpValues } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { parseOffer, writeAnswer } from './index.ts';
import type { NegotiatedMedia } from './negotiated.ts';
import type { ReceivePolicy } from './policy.ts';
import { agree, h264, LOCAL, offerOf, receivePolicy, sdpFixture, sendPolicy, video } from './testing/fixtures.ts';

const RID = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
const CHROMIUM = sdpFixture('offer-simulcast-rid');
const SOURCES = sdpFixture('offer-simulcast-sources');
const OBS = sdpFixture('whip-obs-simulcast');

const taken = (changes: Partial<ReceivePolicy> = {}) => receivePolicy({ simulcast: true, ...changes });

/** Lines of the answer that tell the encodings apart. */
function answered(agreed: NegotiatedMedia): string[] {
  const section = parseOffer(writeAnswer(agreed, LOCAL)).media.find(({ kind }) => kind === 'video');
  if (section === undefined) throw new Error('no picture in the answer');
  return [
    ...sdpValues(section, 'extmap').filter((value) => value.includes('stream-id')),
    ...['rid', 'simulcast'].flatMap((name) => sdpValues(section, name)),
  ];
}

describe('a publisher that sends its picture in several encodings', () => {
  it.each([
    ['h264', 108, 109],
    ['vp8', 96, 97],
    ['vp9', 98, 99],
    ['av1', 45, 46],
  ] as const)('by name in Chromium is asked for all of them in %s', (codec, payloadType, rtxPayloadType) => {
    const agreed = agree(CHROMIUM, taken({ videoCodecs: [codec] }));
    expect(agreed.video).toMatchObject({
      codec,
      payloadType,
      rtxPayloadType,
      layers: [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }],
      extensions: { mid: 4, rid: 10, repairedRid: 11, dependencyDescriptor: 12 },
    });
    expect(answered(agreed)).toEqual([
      '10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
      '11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
      'q recv',
      'h recv',
      'f recv',
      'recv q;h;f',
    ]);
  });

  it('can be limited by REMB beside transport-wide congestion control', () => {
    expect(agree(CHROMIUM, taken()).video?.feedback).toMatchObject({ transportCc: true, remb: true });
    expect(writeAnswer(agree(CHROMIUM, taken()), LOCAL)).toMatch(
      /a=rtcp-fb:108 transport-cc\r\na=rtcp-fb:108 goog-remb/,
    );
  });

  it('by name in OBS is asked for all of them, though it has no retransmissions and no names for these', () => {
    const agreed = agree(OBS, taken());
    expect(agreed.video).toMatchObject({
      rtxPayloadType: undefined,
      layers: [{ rid: '0' }, { rid: '1' }, { rid: '2' }],
      extensions: { mid: 1, rid: 2, repairedRid: undefined },
    });
    expect(answered(agreed)).toEqual([`2 ${RID}`, '0 recv', '1 recv', '2 recv', 'recv 0;1;2']);
  });

  it('by sources gives layers by these, each with its retransmissions, and needs no answer', () => {
    const agreed = agree(SOURCES, taken());
    expect(agreed.video?.layers).toEqual([
      { rid: '0', ssrc: 1_976_886_891, rtxSsrc: 1_341_713_272 },
      { rid: '1', ssrc: 1_976_886_892, rtxSsrc: 1_341_713_273 },
      { rid: '2', ssrc: 1_976_886_893, rtxSsrc: 1_341_713_274 },
    ]);
    expect(answered(agreed)).toEqual([]);
  });

  it('has one encoding, the first, and no names where the policy takes no more', () => {
    for (const text of [CHROMIUM, OBS, SOURCES]) {
      const agreed = agree(text, receivePolicy());
      expect(agreed.video?.layers).toBeUndefined();
      expect(agreed.video?.extensions).toMatchObject({ rid: undefined, repairedRid: undefined });
      expect(answered(agreed)).toEqual([]);
    }
    expect(agree(SOURCES, receivePolicy()).video?.sources).toMatchObject({
      ssrc: 1_976_886_891,
      rtxSsrc: 1_341_713_272,
    });
  });

  it('is asked for four at most', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const rids = names.map((name) => `a=rid:${name} send`);
    const agreed = agree(simulcastOf(...rids, `a=simulcast:send ${names.join(';')}`), taken());
    expect(agreed.video?.layers?.map(({ rid }) => rid)).toEqual(['a', 'b', 'c', 'd']);
    const group = Array.from({ length: 9 }, (_, i) => i + 1).join(' ');
    expect(agree(offerOf([], video(...FORMAT, `a=ssrc-group:SIM ${group}`)), taken()).video?.layers).toHaveLength(4);
  });

  it('is asked for the first alternative that may have the codec, and for what is paused too', () => {
    const agreed = agree(
      simulcastOf('a=rid:1 send pt=99', 'a=rid:2 send pt=96', 'a=rid:3 send max-width=320', 'a=simulcast:send 1,2;~3'),
      taken(),
    );
    expect(answered(agreed).at(-1)).toBe('recv 2;3');
  });
});

const FORMAT = h264(96, 'packetization-mode=1;profile-level-id=42e01f');

function simulcastOf(...lines: string[]): string {
  return offerOf([], video(...FORMAT, `a=extmap:5 ${RID}`, ...lines));
}

describe('simulcast that is none', () => {
  it.each([
    ['one encoding', ['a=rid:1 send', 'a=simulcast:send 1']],
    ['names without a list', ['a=rid:1 send', 'a=rid:2 send']],
    ['a list without names', ['a=simulcast:send 1;2;3']],
    ['names that are used twice', ['a=rid:1 send', 'a=rid:1 send', 'a=simulcast:send 1;1']],
    ['encodings that are received', ['a=rid:1 recv', 'a=rid:2 recv', 'a=simulcast:recv 1;2']],
    ['a group of one source', ['a=ssrc-group:SIM 7 7']],
    ['a group that can not be read', ['a=ssrc-group:SIM 1 x 3']],
    ['encodings of other codecs', ['a=rid:1 send pt=97', 'a=rid:2 send pt=98', 'a=simulcast:send 1;2']],
  ])('as %s leaves one picture', (_, lines) => {
    const agreed = agree(simulcastOf(...lines), taken());
    expect(agreed.video).toMatchObject({ payloadType: 96, layers: undefined });
    expect(answered(agreed)).toEqual([]);
  });

  it('because packets can not carry the names leaves one picture', () => {
    const text = CHROMIUM.replace(RID, 'urn:other');
    expect(agree(text, taken()).video?.layers).toBeUndefined();
  });

  it('in the offer of a player is passed over', () => {
    const text = CHROMIUM.replaceAll('a=sendonly', 'a=recvonly').replaceAll(' send', ' recv');
    const agreed = agree(text, sendPolicy());
    expect(agreed.video).toMatchObject({
      layers: undefined,
      extensions: { rid: undefined, dependencyDescriptor: undefined },
    });
    expect(writeAnswer(agreed, LOCAL)).not.toMatch(/a=(rid|simulcast)/);
  });
});
