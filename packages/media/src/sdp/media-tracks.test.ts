import { describe, expect, it } from 'vitest';
import { aacTrack, parseAacConfig, writeAacConfig } from '../codec/aac.ts';
import { h264Track } from '../codec/h264.ts';
import { opusTrack } from '../codec/opus.ts';
import { g726Track, l16Track } from '../codec/raw-audio.ts';
import { g711Track, g722Track, speexTrack } from '../codec/telephony.ts';
import { ProtocolError, type Track } from '../packet.ts';
import { opusHead } from '../rtp/index.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { readMediaTracks, streamPayloadType, writeStreamSdp } from './index.ts';

const SPS = 'Z0LAHtoFB+wEQAAAAwBAAAAPA8WLqA==';
const PPS = 'aM4PyA==';

/** As a camera for surveillance describes itself. */
const CAMERA = [
  'v=0',
  'o=- 1001 1 IN IP4 192.168.1.64',
  's=Media Presentation',
  'e=NONE',
  'b=AS:5050',
  't=0 0',
  'a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/',
  'a=range:npt=now-',
  'm=video 0 RTP/AVP 96',
  'c=IN IP4 0.0.0.0',
  'b=AS:5000',
  'a=recvonly',
  'a=x-dimensions:1920,1080',
  'a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1',
  'a=rtpmap:96 H264/90000',
  `a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=${SPS},${PPS}`,
  'm=audio 0 RTP/AVP 0',
  'c=IN IP4 0.0.0.0',
  'a=recvonly',
  'a=control:trackID=2',
  'a=rtpmap:0 PCMU/8000',
  'm=application 0 RTP/AVP 107',
  'a=control:trackID=3',
  'a=rtpmap:107 vnd.onvif.metadata/90000',
  '',
].join('\r\n');

/** The first track of a description with one medium. */
function only(kind: 'video' | 'audio', type: number | string, ...attributes: string[]) {
  const { tracks, notes } = readMediaTracks(
    ['v=0', 's=-', `m=${kind} 0 RTP/AVP ${type}`, ...attributes.map((line) => `a=${line}`)].join('\r\n'),
  );
  return { track: tracks[0], notes };
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

describe('a description of media', () => {
  it('of a camera tells its picture and its sound, and leaves its metadata out without a word', () => {
    const { tracks, ...session } = readMediaTracks(CAMERA);
    expect(session).toEqual({
      name: 'Media Presentation',
      control: 'rtsp://192.168.1.64:554/Streaming/Channels/101/',
      range: 'npt=now-',
      notes: [],
    });
    expect(tracks).toEqual([
      {
        kind: 'video',
        codec: 'h264',
        payloadType: 96,
        clockRate: 90_000,
        packetizationMode: 1,
        startCodes: true,
        parameters: [bytesOf(SPS), bytesOf(PPS)],
        direction: 'recvonly',
        port: 0,
        control: 'rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1',
        section: 0,
      },
      {
        kind: 'audio',
        codec: 'pcmu',
        payloadType: 0,
        clockRate: 8000,
        direction: 'recvonly',
        port: 0,
        control: 'trackID=2',
        section: 1,
      },
    ]);
  });

  it.each([
    ['with start codes', `AAAAAWdCwB7aBQfsBEAAAAMAQAAADwPFi6g=,AAAAAWjOD8g=`],
    ['glued together', Buffer.concat([bytesOf(SPS), Uint8Array.of(0, 0, 0, 1), bytesOf(PPS)]).toString('base64')],
    ['without padding and with a comma at the end', 'Z0LAHtoFB+wEQAAAAwBAAAAPA8WLqA,aM4PyA,'],
    ['with zeros behind them', `${Buffer.concat([bytesOf(SPS), Uint8Array.of(0, 0)]).toString('base64')},${PPS}`],
    ['with garbage between them', `${SPS},Zg==,!!!,${PPS}`],
  ])('takes parameter sets of H.264 %s', (_, sets) => {
    const { track } = only('video', 96, 'rtpmap:96 H264/90000', `fmtp:96 sprop-parameter-sets=${sets}`);
    expect(track?.parameters).toEqual([bytesOf(SPS), bytesOf(PPS)]);
  });

  it.each(['', SPS, PPS, 'AAAA', `Z0LAHg==,${PPS}`])(
    'knows no parameters by the sets %j, which are not whole',
    (sets) => {
      const { track } = only('video', 96, 'rtpmap:96 H264/90000', `fmtp:96 sprop-parameter-sets=${sets}`);
      expect(track).toMatchObject({ codec: 'h264' });
      expect(track?.parameters).toBeUndefined();
    },
  );

  it('has AAC with the fields of its headers and its configuration', () => {
    const fmtp =
      'fmtp:97 streamtype=5; profile-level-id=15; mode=AAC-hbr; config=1408; SizeLength=13; IndexLength=3; IndexDeltaLength=3; constantDuration=1024';
    expect(only('audio', 97, 'rtpmap:97 MPEG4-GENERIC/16000/1', fmtp).track).toMatchObject({
      codec: 'aac',
      clockRate: 16_000,
      parameters: [Uint8Array.of(0x14, 0x08)],
      aac: { mode: 'au-headers', sizeLength: 13, indexLength: 3, indexDeltaLength: 3, constantDuration: 1024 },
    });
    expect(only('audio', 97, 'rtpmap:97 mpeg4-generic/8000', 'fmtp:97 mode=AAC-lbr').track).toMatchObject({
      parameters: [writeAacConfig({ objectType: 2, sampleRate: 8000, channels: 1 })],
      aac: { sizeLength: 6, indexLength: 2, indexDeltaLength: 2 },
    });
  });

  it('has LATM with its configuration taken out of the one of the multiplex', () => {
    const { track } = only(
      'audio',
      98,
      'rtpmap:98 MP4A-LATM/48000/2',
      'fmtp:98 profile-level-id=2;cpresent=0;config=400023203fc0',
    );
    expect(parseAacConfig(track?.parameters?.[0] ?? expect.fail())).toMatchObject({ sampleRate: 48_000, channels: 2 });
    expect(track?.aac).toMatchObject({ mode: 'latm', configPresent: false, config: { subFrames: 1 } });
    const inBand = only('audio', 98, 'rtpmap:98 MP4A-LATM/90000').track;
    expect(inBand).toMatchObject({ codec: 'aac', aac: { mode: 'latm', configPresent: true } });
    expect(inBand?.parameters).toBeUndefined();
  });

  it.each([
    ['PCMA/8000', { codec: 'pcma', clockRate: 8000 }],
    ['G722/8000', { codec: 'g722', clockRate: 8000 }],
    ['G726-32/8000', { codec: 'g726', parameters: [Uint8Array.of(4, 0)] }],
    ['AAL2-G726-16/8000', { codec: 'g726', parameters: [Uint8Array.of(2, 1)] }],
    ['L16/48000/2', { codec: 'l16', clockRate: 48_000, parameters: [Uint8Array.of(2)] }],
    ['speex/16000', { codec: 'speex', clockRate: 16_000 }],
    ['opus/48000/2', { codec: 'opus', clockRate: 48_000, channels: 2 }],
    ['PCMU / 8000 / 1', { codec: 'pcmu', clockRate: 8000 }],
    ['PCMU', { codec: 'pcmu', clockRate: 8000 }],
  ])('knows the sound %s', (name, wanted) => {
    expect(only('audio', 100, `rtpmap:100 ${name}`).track).toMatchObject(wanted);
  });

  it.each([
    ['H265/90000', 'h265'],
    ['VP8/90000', 'vp8'],
    ['VP9/90000', 'vp9'],
    ['AV1/90000', 'av1'],
    ['JPEG/90000', 'mjpeg'],
    ['H264', 'h264'],
  ])('knows the picture %s', (name, codec) => {
    expect(only('video', 100, `rtpmap:100 ${name}`).track).toMatchObject({ codec, clockRate: 90_000 });
  });

  it('knows static payload types', () => {
    expect(only('video', 26).track).toMatchObject({ codec: 'mjpeg', clockRate: 90_000 });
    expect(only('audio', 8).track).toMatchObject({ codec: 'pcma' });
    expect(only('audio', 10).track).toMatchObject({ codec: 'l16', clockRate: 44_100, parameters: [Uint8Array.of(2)] });
    expect(only('audio', 2).track).toMatchObject({ codec: 'g726', parameters: [Uint8Array.of(4, 0)] });
  });

  it.each([
    [14, [], 'audio "MPA" is left out: this codec is not supported'],
    [96, ['rtpmap:96 vorbis/44100/2'], 'audio "vorbis" is left out: this codec is not supported'],
    [96, ['rtpmap:96 L16/48000/6'], 'audio "L16" is left out: 6 channels'],
    [96, ['rtpmap:96 PCMU/8000', 'inactive'], 'audio "96" is left out: it is inactive'],
    [96, [], 'audio "96" is left out: the description does not tell what it is'],
    [
      96,
      ['rtpmap:96 MPEG4-GENERIC/8000', 'fmtp:96 mode=CELP-vbr'],
      'audio "MPEG4-GENERIC" is left out: mode celp-vbr is not supported',
    ],
  ])('says why sound of type %i is left out', (type, attributes, note) => {
    expect(only('audio', type, ...attributes)).toEqual({ track: undefined, notes: [note] });
  });

  it('leaves encrypted media and interleaved H.264 out with a note', () => {
    const sdp = ['m=video 0 RTP/SAVP 96', 'a=rtpmap:96 H264/90000'].join('\n');
    expect(readMediaTracks(sdp).notes).toEqual(['video "RTP/SAVP" is left out: it is encrypted']);
    const interleaved = only('video', 96, 'rtpmap:96 H264/90000', 'fmtp:96 packetization-mode=2');
    expect(interleaved.notes).toEqual(['video "H264" is left out: its packets are interleaved']);
  });

  it('is read with lines that are none, a medium without port or formats and a type that only rtpmap names', () => {
    const sdp = [
      '\uFEFF  ',
      'v=0',
      'Hello',
      'a=',
      'm=video',
      'a=rtpmap:96 H264/90000',
      'm=audio x RTP/AVP 8',
      'a=rtpmap:104 opus/48000/2',
      'm=video 70000 RTP/AVP 97',
      'a=rtpmap:96 VP8/90000',
    ].join('\r');
    expect(readMediaTracks(sdp).tracks.map(({ codec, payloadType }) => [codec, payloadType])).toEqual([
      ['h264', 96],
      ['pcma', 8],
      ['vp8', 96],
    ]);
  });

  it('tells directions of its session and addresses of groups', () => {
    const { tracks } = readMediaTracks(
      'v=0\nc=IN IP4 239.1.2.3/127\na=sendonly\nm=audio 5004 RTP/AVP 8\nm=video 5006 RTP/AVP 26\nc=IN IP4 10.0.0.1\na=recvonly',
    );
    expect(tracks).toMatchObject([
      { direction: 'sendonly', port: 5004, multicastAddress: '239.1.2.3' },
      { direction: 'recvonly', port: 5006 },
    ]);
    expect(tracks[1]?.multicastAddress).toBeUndefined();
  });

  it('gives tracks or one error for whatever text', () => {
    const random = prng(42);
    let tracks = 0;
    for (let round = 0; round < 3000; round += 1) {
      const text = Buffer.from(mutate(Buffer.from(CAMERA), random)).toString('latin1');
      try {
        tracks += readMediaTracks(text).tracks.length;
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
    expect(tracks).toBeGreaterThan(4000);
    expect(() => readMediaTracks('m=video 0 RTP/AVP 96\n'.repeat(200))).toThrow(ProtocolError);
    expect(() => readMediaTracks('a=x\n'.repeat(500_000))).toThrow(ProtocolError);
  });
});

describe('the description of a stream', () => {
  const TRACKS: readonly Track[] = [
    h264Track(0, [bytesOf(SPS), bytesOf(PPS)]),
    aacTrack(1, Uint8Array.of(0x11, 0x90)),
    opusTrack(1, opusHead()),
    g711Track(1, 'pcma'),
    g711Track(1, 'pcmu', 16_000),
    g722Track(1),
    speexTrack(1, 32_000),
    g726Track(1, { bitsPerSample: 3, packing: 'aal2' }),
    l16Track(1, 44_100, 2),
    ...(['vp8', 'vp9', 'av1', 'mjpeg'] as const).map(
      (codec): Track => ({ id: 0, kind: 'video', codec, clockRate: 90_000, parameters: [] }),
    ),
  ];

  it('reads back as the tracks that it was made of', () => {
    const { tracks, notes, control, range, name } = readMediaTracks(writeStreamSdp(TRACKS, { name: 'cam\r\n1' }));
    expect({ notes, control, range, name }).toEqual({ notes: [], control: '*', range: 'npt=0-', name: 'cam  1' });
    expect(tracks.map(({ codec }) => codec)).toEqual(TRACKS.map(({ codec }) => codec));
    expect(tracks.map(({ control: at }) => at)).toEqual(TRACKS.map((_, index) => `trackID=${index}`));
    expect(tracks.map(({ payloadType }) => payloadType)).toEqual(TRACKS.map(streamPayloadType));
    for (const [index, track] of TRACKS.entries()) {
      if (track.codec === 'opus') continue;
      expect(tracks[index]?.parameters ?? []).toEqual(track.parameters);
    }
    expect(tracks.map(({ clockRate }) => clockRate)).toEqual(
      TRACKS.map(({ codec, clockRate }) => (codec === 'g722' ? 8000 : clockRate)),
    );
  });

  it('leaves out what has no payload format and keeps the numbers of the others', () => {
    const flv1: Track = { id: 0, kind: 'video', codec: 'flv1', clockRate: 90_000, parameters: [] };
    const { tracks } = readMediaTracks(writeStreamSdp([flv1, g711Track(1, 'pcmu')]));
    expect(tracks).toMatchObject([{ codec: 'pcmu', payloadType: 0, control: 'trackID=1' }]);
    expect(streamPayloadType(flv1)).toBeUndefined();
  });
});
