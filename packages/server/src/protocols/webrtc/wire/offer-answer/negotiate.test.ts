import { describe, expect, it } from 'vitest';
import { PLAY_OFFERS } from '../../../../../../media/src/sdp/testing/fixtures.ts';
import { codecsFromNames } from './index.ts';
import type { OfferPolicy } from './policy.ts';
import { agree, codeOf, h264, offerOf, receivePolicy, sdpFixture, sendPolicy, video } from './testing/fixtures.ts';

const PUB1 = sdpFixture('offer-publishStream-pub1');
const PLAY1 = sdpFixture('offer-playStream-play1');

describe('a publisher', () => {
  it('of Chromium gives H.264 in mode 1 and the preferred profile, with its retransmissions, and Opus', () => {
    const { video: picture, audio, ...rest } = agree(PUB1, receivePolicy());
    expect(picture).toMatchObject({
      mid: '1',
      direction: 'recvonly',
      codec: 'h264',
      payloadType: 108,
      packetizationMode: 1,
      match: 'same',
      rtxPayloadType: 109,
      formatParameters: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
      feedback: { nack: true, pli: true, fir: true, transportCc: true, remb: true },
      extensions: { transportCc: 3, absSendTime: 2, mid: 4, audioLevel: undefined, videoOrientation: undefined },
      reducedSizeRtcp: true,
    });
    expect(picture?.sources.all).toEqual([picture?.sources.ssrc, picture?.sources.rtxSsrc]);
    expect(audio).toMatchObject({
      mid: '0',
      codec: 'opus',
      payloadType: 111,
      clockRate: 48_000,
      channels: 2,
      formatParameters: 'minptime=10;useinbandfec=1',
      rtxPayloadType: undefined,
      feedback: { nack: false, pli: false, fir: false, transportCc: true, remb: false },
      extensions: { transportCc: 3, absSendTime: 2, mid: 4, audioLevel: 1 },
      sources: { ssrc: 760_928_415, rtxSsrc: undefined, cname: 'bo/p2e15tOQaSGJ2', all: [760_928_415] },
    });
    expect(rest).toMatchObject({
      remoteIce: { ufrag: 'I1Y3', pwd: 'gJUxdBVQxTPm2wyTCCkHPCUI' },
      setup: 'passive',
      bundled: true,
      extmapAllowMixed: true,
    });
    expect(rest.fingerprints).toHaveLength(1);
  });

  it('gets the codec that the settings prefer', () => {
    const codecs = (policy: OfferPolicy): unknown[] => {
      const { video: picture, audio } = agree(PUB1, policy);
      return [picture?.codec, picture?.payloadType, picture?.rtxPayloadType, audio?.codec, audio?.payloadType];
    };
    expect(codecs(receivePolicy({ videoCodecs: ['vp8', 'h264'], audioCodecs: ['pcma', 'opus'] }))).toEqual([
      'vp8',
      96,
      97,
      'pcma',
      8,
    ]);
    expect(codecs(receivePolicy({ videoCodecs: ['vp9'], audioCodecs: ['g722'] }))).toEqual(['vp9', 98, 99, 'g722', 9]);
    expect(codecs(receivePolicy({ videoCodecs: ['av1'], audioCodecs: ['pcmu'] }))).toEqual(['av1', 45, 46, 'pcmu', 0]);
    expect(codecs(receivePolicy({ h264Profiles: ['4d001f', '42e01f'] }))).toEqual(['h264', 116, 117, 'opus', 111]);
    expect(codecs(receivePolicy({ h264Profiles: ['640028'] }))).toEqual(['h264', 102, 103, 'opus', 111]);
  });

  it('whose offer went through stripCodecs is answered with nothing that it took out', () => {
    const text = sdpFixture('offer-publishStream-pub2strip');
    const { video: picture, audio } = agree(
      text,
      receivePolicy({ videoCodecs: ['vp8', 'vp9', 'av1', 'h264'], audioCodecs: ['pcmu', 'pcma'] }),
    );
    expect(picture).toMatchObject({ codec: 'h264', payloadType: 108, rtxPayloadType: 109 });
    expect(audio).toMatchObject({ codec: 'pcma', payloadType: 8 });
    const onlyStripped = receivePolicy({ videoCodecs: ['vp8'], audioCodecs: ['pcmu'] });
    expect(codeOf(() => agree(text, onlyStripped))).toBe('NO_COMMON_CODECS');
  });

  it('loses retransmissions whose format is gone, not the format', () => {
    const text = offerOf([], video(...h264(96, 'packetization-mode=1'), 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=98'));
    expect(agree(text, receivePolicy()).video).toMatchObject({ payloadType: 96, rtxPayloadType: undefined });
  });

  it('is taken with an H.264 format whose parameters a prefix match took away', () => {
    const text = offerOf([], video(...h264(96)));
    expect(agree(text, receivePolicy()).video).toMatchObject({
      payloadType: 96,
      packetizationMode: 0,
      formatParameters: '',
    });
  });

  it('that has a mode with fragments sends in it, though another profile is preferred', () => {
    const modes = [...h264(96, 'profile-level-id=42e01f'), ...h264(97, 'packetization-mode=1;profile-level-id=4d001f')];
    expect(agree(offerOf([], video(...modes)), receivePolicy()).video).toMatchObject({ payloadType: 97 });
  });

  it('with sound only is taken', () => {
    const agreed = agree(sdpFixture('offer-publishStream-pubAudioOnly'), receivePolicy());
    expect(agreed.video).toBeUndefined();
    expect(agreed.sections).toHaveLength(1);
  });

  it('keeps its sound when no codec of its picture can be used, and the other way round', () => {
    const soundOnly = agree(PUB1, receivePolicy({ videoCodecs: [] }));
    expect(soundOnly.sections).toMatchObject([
      { accepted: true },
      { accepted: false, reason: 'codecs', formats: ['96'] },
    ]);
    const pictureOnly = agree(PUB1, receivePolicy({ audioCodecs: [] }));
    expect(pictureOnly.sections).toMatchObject([{ accepted: false, reason: 'codecs' }, { accepted: true }]);
    expect(pictureOnly.remoteIce.ufrag).toBe('I1Y3');
  });

  it('gets REMB beside transport-wide congestion control, or alone where that is off or not offered', () => {
    expect(agree(PUB1, receivePolicy()).video?.feedback).toMatchObject({ transportCc: true, remb: true });
    const off = agree(PUB1, receivePolicy({ transportCc: false }));
    expect(off.video).toMatchObject({
      feedback: { transportCc: false, remb: true },
      extensions: { transportCc: undefined },
    });
    const withoutExtension = PUB1.replaceAll('draft-holmer-rmcat', 'other');
    expect(agree(withoutExtension, receivePolicy()).video?.feedback).toMatchObject({ transportCc: false, remb: true });
    const withoutFeedback = PUB1.replaceAll(' transport-cc', ' other');
    expect(agree(withoutFeedback, receivePolicy()).video?.feedback).toMatchObject({ transportCc: false, remb: true });
  });

  it('may send the orientation of its picture only if the policy says so', () => {
    expect(agree(PUB1, receivePolicy({ videoOrientation: true })).video?.extensions.videoOrientation).toBe(13);
    expect(agree(PUB1, receivePolicy()).video?.extensions.videoOrientation).toBeUndefined();
  });

  it('is told bitrates in kbit/s, for its picture only', () => {
    const limits = { minBitrateBps: 3_000_000, maxBitrateBps: 7_000_000 };
    const { video: picture, audio } = agree(PUB1, receivePolicy(limits));
    expect(picture?.formatParameters).toMatch(/;x-google-min-bitrate=3000;x-google-max-bitrate=7000$/);
    expect(audio?.formatParameters).not.toContain('google');
    const vp8 = agree(PUB1, receivePolicy({ videoCodecs: ['vp8'], maxBitrateBps: 500_000 })).video;
    expect(vp8?.formatParameters).toBe('x-google-max-bitrate=500');
    const crossed = agree(PUB1, receivePolicy({ ...limits, maxBitrateBps: 500_000 })).video;
    expect(crossed?.formatParameters).toMatch(/;x-google-min-bitrate=500;x-google-max-bitrate=500$/);
  });

  it('that says it has stereo is asked for it, and its bitrate stays as offered', () => {
    const text = PUB1.replace('minptime=10;', 'minptime=10;maxaveragebitrate=60000;sprop-stereo=1;x-unknown=1;');
    expect(agree(text, receivePolicy()).audio?.formatParameters).toBe(
      'minptime=10;maxaveragebitrate=60000;sprop-stereo=1;useinbandfec=1;stereo=1',
    );
  });

  it('never gets red, forward error correction, comfort noise or tones', () => {
    const text = offerOf(
      [],
      [
        'm=audio 9 UDP/TLS/RTP/SAVPF 63 13 110 111',
        ...['63 red/48000/2', '13 CN/8000', '110 telephone-event/48000'].map((map) => `a=rtpmap:${map}`),
      ],
    );
    expect(codeOf(() => agree(text, receivePolicy()))).toBe('NO_COMMON_CODECS');
  });

  it('with H.264 in mode 2, or of a profile that nobody knows, has no H.264', () => {
    const text = offerOf(
      [],
      video(...h264(96, 'packetization-mode=2'), ...h264(97, 'packetization-mode=1;profile-level-id=zz')),
    );
    expect(codeOf(() => agree(text, receivePolicy()))).toBe('NO_COMMON_CODECS');
  });

  it('with VP9 in several profiles sends profile 0', () => {
    const text = offerOf(
      [],
      video('a=rtpmap:96 VP9/90000', 'a=fmtp:96 profile-id=2', 'a=rtpmap:97 VP9/90000', 'a=fmtp:97 profile-id=0'),
    );
    expect(agree(text, receivePolicy()).video).toMatchObject({ payloadType: 97, formatParameters: 'profile-id=0' });
  });

  it('with H.265 sends Main, and its parameters are repeated', () => {
    const parameters = 'level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST';
    const text = offerOf(
      [],
      video('a=rtpmap:96 H265/90000', 'a=fmtp:96 profile-id=2', 'a=rtpmap:97 H265/90000', `a=fmtp:97 ${parameters}`),
    );
    expect(agree(text, receivePolicy()).video).toMatchObject({
      codec: 'h265',
      payloadType: 97,
      formatParameters: parameters,
    });
  });
});

describe('clients that are not Chromium', () => {
  it.each([
    { name: 'whip-ffmpeg8.1', setup: 'active', videoType: 106, profile: '42401e', audioType: 111 },
    { name: 'whip-ffmpeg8', setup: 'active', videoType: 106, profile: '42401f', audioType: 111 },
    { name: 'whip-libdatachannel', setup: 'passive', videoType: 96, profile: '42e01f', audioType: 111 },
    { name: 'whip-gstreamer', setup: 'passive', videoType: 97, profile: '42c01f', audioType: 101 },
    { name: 'whip-aiortc', setup: 'passive', videoType: 101, profile: '42e01f', audioType: 96 },
    { name: 'publish-firefox', setup: 'passive', videoType: 126, profile: '42e01f', audioType: 109 },
  ])('$name publishes H.264 and Opus', ({ name, setup, videoType, profile, audioType }) => {
    const agreed = agree(sdpFixture(name), receivePolicy());
    expect(agreed.setup).toBe(setup);
    expect(agreed.video).toMatchObject({ codec: 'h264', packetizationMode: 1, payloadType: videoType });
    expect(agreed.video?.formatParameters).toContain(`profile-level-id=${profile}`);
    expect(agreed.video?.formatParameters).not.toContain('sprop');
    expect(agreed.audio).toMatchObject({ codec: 'opus', payloadType: audioType });
    expect(agreed.bundled).toBe(true);
    expect(agreed.remoteIce.ufrag.length).toBeGreaterThanOrEqual(4);
  });

  it('FFmpeg has retransmissions, whose source it names in the group only', () => {
    const { video: picture } = agree(sdpFixture('whip-ffmpeg8.1'), receivePolicy());
    expect(picture).toMatchObject({
      rtxPayloadType: 105,
      feedback: { nack: true, pli: false },
      sources: { ssrc: 384_699_752, rtxSsrc: 384_699_753, cname: 'FFmpeg', all: [384_699_752, 384_699_753] },
    });
  });

  it('aiortc shows three fingerprints of one certificate', () => {
    const { fingerprints } = agree(sdpFixture('whip-aiortc'), receivePolicy());
    expect(fingerprints.map(({ algorithm }) => algorithm)).toEqual(['sha-256', 'sha-384', 'sha-512']);
  });

  it('GStreamer has a second section that exists only in the bundle, with port 0 and without ICE', () => {
    const agreed = agree(sdpFixture('whip-gstreamer'), receivePolicy({ videoCodecs: [] }));
    expect(agreed.sections).toMatchObject([
      { accepted: false },
      { accepted: true, kind: 'audio', encodingName: 'OPUS' },
    ]);
    expect(agreed.remoteIce.ufrag).toBe('8GqM6hZk0kB2dZcX9nQyG7uTn1sAaWwE');
  });

  it('an extension that the client only receives is not for a publisher', () => {
    const text = sdpFixture('publish-firefox').replace('extmap:4 http', 'extmap:4/recvonly http');
    expect(agree(text, receivePolicy()).video?.extensions).toMatchObject({
      absSendTime: undefined,
      transportCc: 7,
      mid: 3,
    });
  });
});

describe('a player', () => {
  it.each(PLAY_OFFERS)('%s gets what the stream has', (name) => {
    const agreed = agree(sdpFixture(name), sendPolicy());
    expect(agreed.audio).toMatchObject({ direction: 'sendonly', codec: 'opus', match: 'same' });
    expect(agreed.audio?.sources.all).toEqual([]);
    if (name.endsWith('AudioOnly')) return expect(agreed.video).toBeUndefined();
    expect(agreed.video).toMatchObject({ direction: 'sendonly', payloadType: 108, rtxPayloadType: 109, match: 'same' });
  });

  const source = (changes: object): OfferPolicy => sendPolicy({ video: { codec: 'h264', ...changes } });

  it.each([
    ['42e01f', 108, 'same'],
    ['42001f', 102, 'same'],
    ['4d401f', 116, 'same'],
    ['f4001f', 41, 'same'],
    // Chromium plays High with any profile, in hardware only with one that hardware knows.
    ['640028', 116, 'differs'],
    [undefined, 108, 'same'],
  ])('of H.264 with profile %s gets payload type %i', (profileLevelId, payloadType, match) => {
    expect(agree(PLAY1, source({ profileLevelId })).video).toMatchObject({ payloadType, match, packetizationMode: 1 });
  });

  it('gets a profile that it did not offer all the same, and we know it', () => {
    const text = offerOf([], video(...h264(96, 'packetization-mode=1;profile-level-id=42e01f')));
    expect(agree(text, source({ profileLevelId: '640028' })).video).toMatchObject({
      payloadType: 96,
      match: 'differs',
    });
  });

  it('that knows single NAL units only differs from a stream with fragments', () => {
    const text = offerOf([], video(...h264(96, 'profile-level-id=42e01f')));
    const withFragments = agree(text, source({ profileLevelId: '42e01f' })).video;
    expect(withFragments).toMatchObject({ packetizationMode: 0, match: 'differs' });
    const without = agree(text, source({ profileLevelId: '42e01f', packetizationMode: 0 })).video;
    expect(without).toMatchObject({ packetizationMode: 0, match: 'same' });
  });

  it.each([
    [{ codec: 'vp8' }, 96],
    [{ codec: 'vp9' }, 98],
    [{ codec: 'vp9', profileId: 2 }, 100],
    [{ codec: 'av1' }, 45],
    [{ codec: 'av1', profileId: 1 }, 47],
  ])('of %o gets payload type %i', (format, payloadType) => {
    expect(agree(PLAY1, sendPolicy({ video: format })).video).toMatchObject({ payloadType, match: 'same' });
  });

  it('gets another codec by its own preference when the stream must be converted', () => {
    const conversions = ['pcma', 'opus'] as const;
    const agreed = agree(PLAY1, sendPolicy({ audio: { codec: 'aac', conversions } }));
    expect(agreed.audio).toMatchObject({ codec: 'opus', match: 'converted' });
    const h265 = agree(PLAY1, sendPolicy({ video: { codec: 'h265', conversions: ['h264'] } }));
    expect(h265.video).toMatchObject({ codec: 'h264', payloadType: 108, match: 'converted' });
  });

  it('gets no codec that the settings exclude', () => {
    const agreed = agree(
      PLAY1,
      sendPolicy({ audioCodecs: ['pcma'], audio: { codec: 'opus', conversions: ['opus', 'pcma'] } }),
    );
    expect(agreed.audio).toMatchObject({ codec: 'pcma', match: 'converted' });
  });

  it('of a stream that it can not take fails, or gets the other kind of media', () => {
    const aac = { codec: 'aac' };
    expect(agree(PLAY1, sendPolicy({ audio: aac })).sections).toMatchObject([{ reason: 'codecs' }, { accepted: true }]);
    expect(codeOf(() => agree(PLAY1, sendPolicy({ audio: aac, video: { codec: 'flv1' } })))).toBe('NO_COMMON_CODECS');
  });

  it('of a stream without picture is told so', () => {
    const { sections } = agree(PLAY1, sendPolicy({ video: undefined }));
    expect(sections).toMatchObject([{ accepted: true }, { accepted: false, reason: 'not_in_stream' }]);
  });

  it('that asks for stereo has it in the answer', () => {
    const text = PLAY1.replace('minptime=10', 'minptime=10;stereo=1;sprop-stereo=1');
    expect(agree(text, sendPolicy()).audio?.formatParameters).toBe(
      'minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1',
    );
  });
});

describe('codec names of the settings', () => {
  it('become the codecs of WebRTC in their order, without those that are excluded', () => {
    const codecs = 'opus,alaw,ulaw,g729,speex16,g722,mpeg4-generic,telephone-event,h264,vp8,flv,mpv'.split(',');
    expect(codecsFromNames(codecs, ['flv', 'telephone-event'])).toEqual({
      videoCodecs: ['h264', 'vp8'],
      audioCodecs: ['opus', 'pcma', 'pcmu', 'g722'],
    });
    expect(codecsFromNames([' VP8', 'h264', 'vp8', 'PCMA', 'alaw'], ['H264'])).toEqual({
      videoCodecs: ['vp8'],
      audioCodecs: ['pcma'],
    });
  });
});
