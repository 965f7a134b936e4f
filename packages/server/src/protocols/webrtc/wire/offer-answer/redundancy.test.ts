import { type MediaDescription, sdpValues } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { parseOffer, writeAnswer } from './index.ts';
import type { OfferPolicy } from './policy.ts';
import { agree, LOCAL, offerOf, receivePolicy, sdpFixture, sendPolicy } from './testing/fixtures.ts';

const PUB1 = sdpFixture('offer-publishStream-pub1');
const PLAY1 = sdpFixture('offer-playStream-play1');

function soundOf(offer: string, policy: OfferPolicy): MediaDescription {
  const section = parseOffer(writeAnswer(agree(offer, policy), LOCAL)).media.find(({ kind }) => kind === 'audio');
  if (section === undefined) throw new Error('no sound in the answer');
  return section;
}

/** Sound with Opus as 111, and another format as 63. */
const sound = (...lines: string[]): string =>
  offerOf([], ['m=audio 9 UDP/TLS/RTP/SAVPF 111 63', 'a=rtpmap:111 opus/48000/2', ...lines]);

describe('Opus with redundancy', () => {
  it('comes before Opus in the answer to a publisher, as Chromium sends it only then', () => {
    const policy = receivePolicy({ red: true });
    expect(agree(PUB1, policy).audio).toMatchObject({ codec: 'opus', payloadType: 111, redPayloadType: 63 });
    const answered = soundOf(PUB1, policy);
    expect(answered.formats).toEqual(['63', '111']);
    expect(sdpValues(answered, 'rtpmap')).toEqual(['111 opus/48000/2', '63 red/48000/2']);
    expect(sdpValues(answered, 'fmtp')).toEqual(['111 minptime=10;useinbandfec=1', '63 111/111']);
    expect(sdpValues(answered, 'rtcp-fb')).toEqual(['111 transport-cc']);
  });

  it('comes after Opus in the answer to a player, which takes the first for the one that it gets', () => {
    const policy = sendPolicy({ red: true });
    expect(agree(PLAY1, policy).audio).toMatchObject({ payloadType: 111, redPayloadType: 63 });
    expect(soundOf(PLAY1, policy).formats).toEqual(['111', '63']);
  });

  it('is left out where the policy does not take it, and with other codecs', () => {
    for (const policy of [receivePolicy(), receivePolicy({ red: true, audioCodecs: ['pcma'] })]) {
      expect(agree(PUB1, policy).audio?.redPayloadType).toBeUndefined();
      expect(writeAnswer(agree(PUB1, policy), LOCAL)).not.toMatch(/red\//);
    }
    expect(agree(PUB1, receivePolicy({ red: true })).video?.redPayloadType).toBeUndefined();
  });

  it.each([
    ['of another clock', ['a=rtpmap:63 red/8000/2', 'a=fmtp:63 111/111']],
    ['of other channels', ['a=rtpmap:63 red/48000', 'a=fmtp:63 111/111']],
    ['of other codecs', ['a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/0']],
    ['that repeats nothing', ['a=rtpmap:63 red/48000/2', 'a=fmtp:63 111']],
    ['that does not say of what', ['a=rtpmap:63 red/48000/2']],
  ])('%s is left out', (_, lines) => {
    expect(agree(sound(...lines), receivePolicy({ red: true })).audio).toMatchObject({
      codec: 'opus',
      redPayloadType: undefined,
    });
  });

  it('may have more blocks than two', () => {
    const text = sound('a=rtpmap:63 RED/48000/2', 'a=fmtp:63 111/111/111');
    expect(agree(text, receivePolicy({ red: true })).audio?.redPayloadType).toBe(63);
  });
});

describe('forward error correction within Opus', () => {
  it('is asked of every publisher', () => {
    const parameters = (...lines: string[]) => agree(sound(...lines), receivePolicy()).audio?.formatParameters;
    expect(parameters()).toBe('useinbandfec=1');
    expect(parameters('a=fmtp:111 minptime=10;useinbandfec=0;sprop-stereo=1')).toBe(
      'minptime=10;useinbandfec=1;sprop-stereo=1;stereo=1',
    );
  });

  it('is the affair of a player', () => {
    expect(agree(sound(), sendPolicy()).audio?.formatParameters).toBe('');
  });
});

describe('transport-wide congestion control towards a player', () => {
  it('is agreed on with its extension for sound and picture, and then without REMB', () => {
    const { video, audio } = agree(PLAY1, sendPolicy());
    expect(video).toMatchObject({ feedback: { transportCc: true, remb: false }, extensions: { transportCc: 3 } });
    expect(audio).toMatchObject({ feedback: { transportCc: true }, extensions: { transportCc: 3 } });
  });

  it('is left out where the policy does not take it', () => {
    const { video, audio } = agree(PLAY1, sendPolicy({ transportCc: false }));
    expect(video).toMatchObject({
      feedback: { transportCc: false, remb: true },
      extensions: { transportCc: undefined },
    });
    expect(audio).toMatchObject({ feedback: { transportCc: false }, extensions: { transportCc: undefined } });
  });
});
