import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../../media/src/testing/mutate.ts';
import { type OfferToMake, parseOffer, readAnswer, writeAnswer, writeOffer } from './index.ts';
import { agree, codeOf, LOCAL, receivePolicy, sdpFixture, sendPolicy } from './testing/fixtures.ts';

const PULL: OfferToMake = {
  direction: 'recvonly',
  video: [{ codec: 'h264', profileLevelId: '42e01f' }, { codec: 'h264', profileLevelId: '640028' }, { codec: 'vp8' }],
  audio: [{ codec: 'opus' }, { codec: 'pcma' }],
  extensions: ['transportCc', 'videoOrientation'],
};
const PUSH: OfferToMake = { ...PULL, direction: 'sendonly', extensions: ['videoOrientation'] };
const PUBLISHED = sdpFixture('answer-accepted-publish-h264');
const PLAYED = sdpFixture('answer-accepted-play-h264');

describe('an offer of ours', () => {
  it('to receive is answered by this server, and the answer is what both agree on', () => {
    const offer = writeOffer(PULL, { ...LOCAL, sending: undefined });
    const negotiated = agree(offer, sendPolicy({ video: { codec: 'vp8' } }));
    expect(negotiated.video).toMatchObject({
      codec: 'vp8',
      direction: 'sendonly',
      feedback: { nack: true, pli: true },
    });
    const { sections: _, ...answered } = readAnswer(writeAnswer(negotiated, LOCAL), PULL);
    expect(answered).toMatchObject({
      video: {
        codec: 'vp8',
        payloadType: negotiated.video?.payloadType,
        direction: 'recvonly',
        sources: { ssrc: 1111, rtxSsrc: 2222 },
      },
      audio: { codec: 'opus', payloadType: 111, sources: { ssrc: 3333 } },
      remoteIce: LOCAL.ice,
      setup: 'active',
      fingerprints: [LOCAL.fingerprint],
      candidates: [{ address: '203.0.113.5' }, { address: '2001:db8::5' }],
    });
  });

  it('to send names its sources and the profile of its stream, and transport-wide numbers only where they are taken', () => {
    const offer = writeOffer(PUSH, LOCAL);
    expect(offer.match(/^a=candidate/gm)).toHaveLength(4);
    expect(offer).toContain('a=ssrc-group:FID 1111 2222\r\n');
    expect(offer).not.toContain('transport-cc');
    const negotiated = agree(offer, receivePolicy({ h264Profiles: ['640028'] }));
    expect(negotiated.video).toMatchObject({ codec: 'h264', formatParameters: expect.stringContaining('640028') });
    expect(negotiated.video?.sources).toMatchObject({ ssrc: 1111, rtxSsrc: 2222, cname: 'cname' });
    const answer = readAnswer(writeAnswer(negotiated, { ...LOCAL, sending: undefined }), PUSH);
    expect(answer.video).toMatchObject({
      codec: 'h264',
      direction: 'sendonly',
      packetizationMode: 1,
      extensions: { transportCc: undefined },
    });
  });

  it('is one that the parser of offers takes, with sound alone and picture alone', () => {
    expect(parseOffer(writeOffer({ ...PULL, video: [] }, LOCAL)).media.map(({ kind }) => kind)).toEqual(['audio']);
    expect(parseOffer(writeOffer({ ...PULL, audio: [] }, LOCAL)).media.map(({ kind }) => kind)).toEqual(['video']);
  });
});

describe('an answer of Chromium', () => {
  it('is read by the numbers that it gives', () => {
    expect(readAnswer(PUBLISHED, PUSH)).toMatchObject({
      video: { codec: 'h264', payloadType: 102, extensions: { videoOrientation: 13 } },
      audio: { codec: 'opus', payloadType: 111 },
      setup: 'passive',
      candidates: [{ transport: 'udp' }, { transport: 'udp' }, { transport: 'tcp' }, { transport: 'tcp' }],
    });
    expect(readAnswer(PLAYED, PULL).video?.sources.ssrc).toBeGreaterThan(0);
  });

  it.each([
    ['passive', 'active'],
    ['active', 'passive'],
    ['actpass', 'active'],
  ])('with a=setup:%s makes us %s', (theirs, ours) => {
    expect(readAnswer(PUBLISHED.replaceAll('a=setup:active', `a=setup:${theirs}`), PUSH).setup).toBe(ours);
  });

  it('without a=setup, as WCS is reported to answer, leaves the server of DTLS to us', () => {
    expect(readAnswer(PUBLISHED.replaceAll(/^a=setup:active\r?\n/gm, ''), PUSH).setup).toBe('passive');
  });

  it('that takes only one kind of media is taken for that one', () => {
    const soundOnly = readAnswer(PUBLISHED.replace('m=video 9', 'm=video 0').replace('BUNDLE 0 1', 'BUNDLE 0'), PUSH);
    expect([soundOnly.video, soundOnly.audio?.codec]).toEqual([undefined, 'opus']);
  });
});

describe('an answer that can not be used', () => {
  it.each([
    ['is no description', 'hello', 'SDP_INVALID'],
    ['is empty', '', 'SDP_INVALID'],
    ['is too long', `v=0\r\n${'a=x\r\n'.repeat(20_000)}`, 'SDP_INVALID'],
    ['has fewer sections', PUBLISHED.slice(0, PUBLISHED.indexOf('m=video')), 'SDP_INVALID'],
    ['has other sections', PUBLISHED.replace('m=audio', 'm=text'), 'SDP_INVALID'],
    ['has no ICE', PUBLISHED.replaceAll('a=ice-', 'a=no-'), 'SDP_INVALID'],
    ['has no fingerprint', PUBLISHED.replaceAll('a=fingerprint', 'a=other'), 'SDP_INVALID'],
    ['has a weak fingerprint only', PUBLISHED.replaceAll('sha-256', 'sha-1'), 'SDP_INVALID'],
    ['has another port for RTCP', PUBLISHED.replaceAll('a=rtcp-mux', 'a=other'), 'SDP_INVALID'],
    ['holds the connection', PUBLISHED.replaceAll('a=setup:active', 'a=setup:holdconn'), 'SDP_INVALID'],
    [
      'has two transports',
      PUBLISHED.replace('a=group:BUNDLE 0 1', '').replace('a=ice-ufrag:HQZx', 'a=ice-ufrag:other'),
      'SDP_INVALID',
    ],
    ['sends instead of receiving', PUBLISHED.replaceAll('a=recvonly', 'a=sendonly'), 'NO_COMMON_CODECS'],
    [
      'takes nothing',
      PUBLISHED.replace('m=video 9', 'm=video 0').replace('m=audio 58235', 'm=audio 0'),
      'NO_COMMON_CODECS',
    ],
    ['has other codecs', PUBLISHED.replaceAll(/H264|opus|PCMA/g, 'other').replace(' 8 13', ' 13'), 'NO_COMMON_CODECS'],
  ])('because it %s is refused with an error of the table', (_, answer, code) => {
    expect(codeOf(() => readAnswer(answer, PUSH))).toBe(code);
  });

  it('gives an error of the table or media, whatever is damaged in it', () => {
    const random = prng(20_261_122);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      const text = Buffer.from(mutate(Buffer.from(i % 2 === 0 ? PUBLISHED : PLAYED), random)).toString('latin1');
      const code = codeOf(() => readAnswer(text, i % 2 === 0 ? PUSH : PULL));
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    expect(
      [...outcomes.keys()].filter((code) => !['nothing thrown', 'SDP_INVALID', 'NO_COMMON_CODECS'].includes(code)),
    ).toEqual([]);
    expect(outcomes.get('SDP_INVALID')).toBeGreaterThan(100);
    expect(outcomes.get('nothing thrown')).toBeGreaterThan(100);
  });
});
