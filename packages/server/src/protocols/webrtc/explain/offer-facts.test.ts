import { describe, expect, test } from 'vitest';
import { prng } from '../../../../../media/src/testing/mutate.ts';
import { negotiate, type OfferPolicy, parseOffer } from '../wire/offer-answer/index.ts';
import { type OfferCircumstances, offerFacts } from './offer-facts.ts';

const TRANSPORT = [
  ...['a=ice-ufrag:abcd', 'a=ice-pwd:aPasswordOfTheTestClient', 'a=setup:actpass', 'a=rtcp-mux'],
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
];

/** An offer with these lines in its only section of video. */
function offerOf(lines: readonly string[], formats = '96 97 98 99', direction = 'recvonly'): string {
  const head = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', `m=video 9 UDP/TLS/RTP/SAVPF ${formats}`];
  return `${[...head, 'c=IN IP4 0.0.0.0', ...TRANSPORT, `a=${direction}`, ...lines].join('\r\n')}\r\n`;
}

const BROWSER = [
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:98 H264/90000',
  'a=fmtp:98 packetization-mode=1;profile-level-id=42e01f',
  'a=rtpmap:99 VC1/90000',
];

const PLAY: OfferCircumstances = {
  videoCodecs: ['h264', 'vp8', 'vp9', 'av1', 'h265'],
  audioCodecs: ['opus'],
  negotiated: undefined,
  direction: 'play',
  source: {},
};

const POLICY: OfferPolicy = {
  ...{ direction: 'send', videoCodecs: PLAY.videoCodecs, audioCodecs: [], h264Profiles: ['42e01f'] },
  ...{ videoOrientation: false, transportCc: false, video: { codec: 'h264' } },
};

function facts(lines: readonly string[], circumstances: Partial<OfferCircumstances> = {}, direction?: string) {
  return offerFacts(offerOf(lines, '96 97 98 99', direction), { ...PLAY, ...circumstances });
}

describe('what is told of an offer', () => {
  test('the codecs in the client’s order, without those that carry nothing of their own', () => {
    expect(facts(BROWSER).media[0]?.offered).toEqual(['VP8', 'H264/42e01f', 'VC1']);
  });

  test('the one that was chosen, and why each of the others was not', () => {
    const negotiated = negotiate(parseOffer(offerOf(BROWSER)), POLICY);
    const [media] = facts(BROWSER, { negotiated, source: { video: 'h264' } }).media;
    expect(media).toMatchObject({ chosen: 'H264/42e01f', unused: undefined });
    expect(media?.refused.map(({ codec, reason }) => [codec, reason])).toEqual([
      ['VP8', 'other_sent'],
      ['VC1', 'unknown'],
    ]);
  });

  test('that the settings turn a codec off', () => {
    expect(facts(BROWSER, { videoCodecs: ['h264'] }).media[0]?.refused).toContainEqual(
      expect.objectContaining({ codec: 'VP8', reason: 'disabled' }),
    );
  });

  test('that a codec is offered in no form that can be used', () => {
    const interleaved = BROWSER.map((line) => line.replace('packetization-mode=1', 'packetization-mode=2'));
    expect(facts(interleaved).media[0]?.refused).toContainEqual(
      expect.objectContaining({ codec: 'H264', reason: 'profile' }),
    );
  });

  test('that the client does not offer what the stream has', () => {
    expect(facts(BROWSER, { source: { video: 'h265' } }).media[0]?.refused[0]).toMatchObject({
      codec: 'H.265',
      reason: 'not_offered',
      text: expect.stringContaining('can not play it'),
    });
    expect(facts(BROWSER, { source: { video: 'flv1' } }).media[0]?.refused[0]?.text).toMatch(/WebRTC does not know/);
  });

  test('that the client itself does not want that kind of media', () => {
    const audio = [`m=audio 9 UDP/TLS/RTP/SAVPF 111`, ...TRANSPORT, 'a=inactive', 'a=rtpmap:111 opus/48000/2'];
    const offer = `${offerOf(BROWSER)}${audio.join('\r\n')}\r\n`;
    const negotiated = negotiate(parseOffer(offer), POLICY);
    const [, sound] = offerFacts(offer, { ...PLAY, negotiated }).media;
    expect(sound).toMatchObject({ kind: 'audio', chosen: undefined, unwanted: true });
    expect(sound?.unused).toMatch(/other direction/);
  });

  test('the candidates, 16 at most', () => {
    const lines = Array.from({ length: 40 }, (_, i) => `a=candidate:1 1 udp 1 192.0.2.1 ${i + 1} typ host`);
    const { candidates } = facts([...BROWSER, ...lines]);
    expect(candidates).toHaveLength(16);
    expect(candidates[0]).toBe('host 192.0.2.1:1 udp');
  });

  test('nothing of passwords, and nothing of what can not be read', () => {
    expect(JSON.stringify(facts(BROWSER))).not.toMatch(/aPassword|abcd|AB:AB/);
    expect(offerFacts('no offer at all', PLAY)).toEqual({ media: [], candidates: [] });
  });

  test('in bounds and without an error, whatever is in the offer', () => {
    const random = prng(7);
    const text = offerOf(BROWSER);
    for (let round = 0; round < 3000; round++) {
      const characters = text.split('');
      for (let i = 0; i < 4; i++)
        characters[Math.floor(random() * characters.length)] = String.fromCharCode(32 + Math.floor(random() * 95));
      const told = offerFacts(characters.join(''), { ...PLAY, source: { video: 'h264' } });
      expect(JSON.stringify(told).length).toBeLessThan(10_000);
    }
  });
});
