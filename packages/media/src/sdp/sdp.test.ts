import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import {
  h264ProfileDecodes,
  iceCredentials,
  parseFingerprint,
  parseFormatParameters,
  parseH264ProfileLevel,
  parseIceCandidate,
  parseSdpFragment,
  parseSessionDescription,
  readRtpSection,
  SDP_LIMITS,
  sdpValue,
  sdpValues,
  writeFormatParameters,
  writeIceCandidate,
  writeSdpFragment,
  writeSessionDescription,
} from './index.ts';
import { ALL_DESCRIPTIONS } from './testing/fixtures.ts';

const HEAD = 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';

function sdpFixture(name: string): string {
  return readFileSync(new URL(`testing/${name}.sdp`, import.meta.url), 'utf8');
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

function section(...lines: string[]): ReturnType<typeof readRtpSection> {
  const [media] = parseSessionDescription(`${HEAD}${lines.join('\r\n')}\r\n`).media;
  if (media === undefined) throw new Error('no media section');
  return readRtpSection(media);
}

describe('a session description', () => {
  it.each(ALL_DESCRIPTIONS)('%s is read, and what is written of it reads the same', (name) => {
    const text = sdpFixture(name);
    const description = parseSessionDescription(text);
    expect(description.media).toHaveLength(text.match(/^m=/gm)?.length ?? 0);
    const attributes = [description, ...description.media].flatMap((part) => part.attributes);
    expect(attributes).toHaveLength(text.match(/^a=/gm)?.length ?? 0);
    expect({ name: '-', ...parseSessionDescription(writeSessionDescription(description)) }).toEqual({
      name: '-',
      ...description,
    });
  });

  it('tells its parts', () => {
    const description = parseSessionDescription(sdpFixture('offer-publishStream-pub1'));
    expect(description.origin).toMatchObject({ username: '-', sessionVersion: '2', addressType: 'IP4' });
    expect(sdpValue(description, 'group')).toBe('BUNDLE 0 1');
    const [audio, video] = description.media;
    expect(audio).toMatchObject({
      kind: 'audio',
      port: 9,
      protocol: 'UDP/TLS/RTP/SAVPF',
      connection: 'IN IP4 0.0.0.0',
    });
    expect(audio?.formats).toEqual(['111', '63', '9', '0', '8', '13', '110', '126']);
    expect(video && sdpValue(video, 'mid')).toBe('1');
    expect(video && sdpValue(video, 'rtcp-mux')).toBe('');
    expect(video && sdpValue(video, 'nothing')).toBeUndefined();
    expect(video && sdpValues(video, 'ssrc')).toHaveLength(4);
  });

  it('is read with CRLF, LF or both, blanks behind lines and empty lines', () => {
    const text = sdpFixture('offer-publishStream-pub1');
    const expected = parseSessionDescription(text);
    let line = 0;
    const mixed = text.replaceAll('\r\n', () => ['\n', ' \r\n', '\t \n\r\n', '\r\n'][line++ % 4] ?? '\n');
    expect(parseSessionDescription(text.replaceAll('\r\n', '\n'))).toEqual(expected);
    expect(parseSessionDescription(mixed)).toEqual(expected);
    expect(parseSessionDescription(text.trimEnd())).toEqual(expected);
  });

  it('is read with a media line that ends with a blank and a bare LF, as stripCodecs leaves it', () => {
    const text = `${HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111 \na=mid:0\r\n`;
    expect(parseSessionDescription(text).media).toMatchObject([{ formats: ['111'], attributes: [{ name: 'mid' }] }]);
  });

  it('joins text that a script glued behind the CR of a line', () => {
    const text = `${HEAD}m=video 9 RTP/SAVPF 96\r\na=fmtp:96 a=1\r;x-google-min-bitrate=3\n`;
    expect(parseSessionDescription(text).media[0]?.attributes).toEqual([
      { name: 'fmtp', value: '96 a=1;x-google-min-bitrate=3' },
    ]);
  });

  it('needs neither origin nor name, and ignores a broken origin and lines that WebRTC has no use for', () => {
    const text = 'v=0\nt=0 0\no=-\ni=x\nb=AS:1\nk=clear:1\nm=audio 9 RTP/SAVPF 0\nb=AS:2\n';
    expect(parseSessionDescription(text)).toMatchObject({ attributes: [], media: [{ attributes: [] }] });
    expect(parseSessionDescription(text).origin).toBeUndefined();
  });

  it('may have a number of ports', () => {
    expect(parseSessionDescription('v=0\nm=audio 49170/2 RTP/AVP 0').media[0]?.port).toBe(49_170);
  });

  const bad: [text: string, code: string][] = [
    ['', 'SDP_BAD_VERSION'],
    ['v=1\n', 'SDP_BAD_VERSION'],
    ['o=-\nv=0\n', 'SDP_BAD_VERSION'],
    ['v=0\nhello\n', 'SDP_BAD_LINE'],
    ['v=0\nA=x\n', 'SDP_BAD_LINE'],
    ['v=0\na=\n', 'SDP_BAD_LINE'],
    ['v=0\na=:x\n', 'SDP_BAD_LINE'],
    ['v=0\na=mid:\u0000\n', 'SDP_BAD_LINE'],
    ['v=0\nm=audio\n', 'SDP_BAD_MEDIA'],
    ['v=0\nm=audio 9 RTP/AVP\n', 'SDP_BAD_MEDIA'],
    ['v=0\nm=audio 65536 RTP/AVP 0\n', 'SDP_BAD_MEDIA'],
    ['v=0\nm=audio -1 RTP/AVP 0\n', 'SDP_BAD_MEDIA'],
    ['v=0\nm=audio nine RTP/AVP 0\n', 'SDP_BAD_MEDIA'],
    ['v=0\nm=aud\u00efo 9 RTP/AVP 0\n', 'SDP_BAD_MEDIA'],
  ];
  it.each(bad)('%j is refused with %s', (text, code) => {
    expect(codeOf(() => parseSessionDescription(text))).toBe(code);
  });

  it('is refused beyond each of its bounds, and read up to them', () => {
    const media = 'm=audio 9 RTP/AVP 0\n';
    const many = (count: number, line: string): string => `v=0\n${line.repeat(count)}`;
    const cases: [inside: string, outside: string][] = [
      [many(SDP_LIMITS.mediaSections, media), many(SDP_LIMITS.mediaSections + 1, media)],
      [many(SDP_LIMITS.attributes, 'a=x\n'), many(SDP_LIMITS.attributes + 1, 'a=x\n')],
      [`v=0\na=${'x'.repeat(SDP_LIMITS.lineCharacters - 2)}`, `v=0\na=${'x'.repeat(SDP_LIMITS.lineCharacters - 1)}`],
      [
        `v=0\nm=audio 9 RTP/AVP${' 0'.repeat(SDP_LIMITS.formats)}`,
        `v=0\nm=audio 9 RTP/AVP${' 0'.repeat(SDP_LIMITS.formats + 1)}`,
      ],
      [`v=0\n${'\n'.repeat(SDP_LIMITS.characters - 4)}`, `v=0\n${'\n'.repeat(SDP_LIMITS.characters - 3)}`],
    ];
    for (const [inside, outside] of cases) {
      expect(codeOf(() => parseSessionDescription(inside))).toBe('nothing thrown');
      expect(codeOf(() => parseSessionDescription(outside))).toBe('SDP_TOO_LARGE');
    }
  });

  it('of thousands of sections, or one endless line, is refused at once', () => {
    expect(codeOf(() => parseSessionDescription(`v=0\n${'m=audio 9 RTP/AVP 0\n'.repeat(3000)}`))).toBe('SDP_TOO_LARGE');
    expect(codeOf(() => parseSessionDescription(`v=0\n${'m=audio 9 RTP/AVP 0\n'.repeat(100_000)}`))).toBe(
      'SDP_TOO_LARGE',
    );
    expect(codeOf(() => parseSessionDescription(`v=0\na=fmtp:96 ${'x'.repeat(60_000)}`))).toBe('SDP_TOO_LARGE');
  });

  it('gives a description or a protocol error for any damage, and what is read can be written', () => {
    const random = prng(8866);
    const samples = ALL_DESCRIPTIONS.map((name) => new TextEncoder().encode(sdpFixture(name)));
    let read = 0;
    for (let round = 0; round < 4000; round++) {
      const sample = samples[round % samples.length] ?? new Uint8Array();
      const text = new TextDecoder().decode(mutate(sample, random));
      const code = codeOf(() => {
        const description = parseSessionDescription(text);
        for (const media of description.media) readRtpSection(media);
        const again = parseSessionDescription(writeSessionDescription(description));
        expect(again.media).toEqual(description.media);
        read++;
      });
      expect(code).toMatch(/^(nothing thrown|SDP_[A-Z_]+)$/);
    }
    expect(read).toBeGreaterThan(1000);
  }, 60_000);

  it('is not written with a line break in a value', () => {
    const attributes = [{ name: 'msid', value: 'a b\r\na=ice-pwd:evil' }];
    expect(codeOf(() => writeSessionDescription({ attributes, media: [] }))).toBe('SDP_BAD_LINE');
  });
});

describe('a fragment for trickle ICE', () => {
  it('is read without the lines that begin a description, and written again', () => {
    const text =
      'a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n';
    const fragment = parseSdpFragment(text);
    expect(sdpValue(fragment, 'ice-ufrag')).toBe('EsAw');
    expect(fragment.media[0]?.attributes).toEqual([{ name: 'mid', value: '0' }, { name: 'end-of-candidates' }]);
    expect(writeSdpFragment(fragment)).toBe(text);
  });

  it('may be empty', () => {
    expect(parseSdpFragment('')).toEqual({ attributes: [], media: [] });
  });
});

describe('a section with RTP', () => {
  it('tells its formats in the order of the media line, with parameters and feedback', () => {
    const [, video] = parseSessionDescription(sdpFixture('offer-publishStream-pub1')).media;
    const { formats } = readRtpSection(video ?? { kind: '', port: 0, protocol: '', formats: [], attributes: [] });
    expect(formats[0]).toEqual({
      payloadType: 96,
      encodingName: 'VP8',
      clockRate: 90_000,
      channels: 1,
      parameters: new Map(),
      feedback: ['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli'],
    });
    expect(formats[1]).toMatchObject({ encodingName: 'rtx', parameters: new Map([['apt', '96']]) });
    expect(formats.map((format) => format.payloadType)).toEqual(video?.formats.map(Number));
  });

  it('knows static payload types without rtpmap, and leaves out unknown, foreign and repeated numbers', () => {
    const { formats } = section('m=audio 9 RTP/SAVPF 0 8 9 77 x 300 0 111', 'a=rtpmap:112 opus/48000/2');
    expect(formats.map((format) => format.encodingName)).toEqual(['PCMU', 'PCMA', 'G722']);
  });

  it('joins parameter lines of one format, and takes feedback for all formats', () => {
    const { formats } = section(
      'm=audio 9 RTP/SAVPF 111',
      'a=rtpmap:111 opus/48000/2',
      'a=fmtp:111 minptime=10',
      'a=fmtp:111 maxaveragebitrate=9600;stereo=1;',
      'a=rtcp-fb:* transport-cc',
    );
    expect(formats[0]?.feedback).toEqual(['transport-cc']);
    expect(Object.fromEntries(formats[0]?.parameters ?? [])).toEqual({
      minptime: '10',
      maxaveragebitrate: '9600',
      stereo: '1',
    });
  });

  it('tells header extensions with direction and leaves out ids that no packet can have', () => {
    const { extensions } = section(
      'm=audio 9 RTP/SAVPF 0',
      'a=extmap:2/recvonly urn:a attr',
      'a=extmap:0 urn:b',
      'a=extmap:4096 urn:c',
      'a=extmap:7 urn:d',
    );
    expect(extensions).toEqual([
      { id: 2, uri: 'urn:a', direction: 'recvonly' },
      { id: 7, uri: 'urn:d', direction: undefined },
    ]);
  });

  it('tells sources and groups, and keeps their number bounded', () => {
    const lines = Array.from({ length: 900 }, (_, i) => `a=ssrc:${i} cname:c${i}`);
    const { sources, sourceGroups } = section(
      'm=video 9 RTP/SAVPF 0',
      ...lines,
      'a=ssrc:0 msid:x',
      'a=ssrc:4294967296 cname:x',
      'a=ssrc-group:fid 1 2',
      'a=ssrc-group:FID 1 x',
    );
    expect(sources).toHaveLength(64);
    expect(sources[0]).toEqual({ ssrc: 0, cname: 'c0' });
    expect(sourceGroups).toEqual([{ semantics: 'FID', ssrcs: [1, 2] }]);
  });
});

describe('format parameters', () => {
  it('are read with blanks and empty parts, the first of a name counts', () => {
    const parameters = parseFormatParameters(' packetization-mode=1; Profile-Level-Id = 420020;;flag;flag=2');
    expect([...parameters]).toEqual([
      ['packetization-mode', '1'],
      ['profile-level-id', '420020'],
      ['flag', ''],
    ]);
    expect(writeFormatParameters(parameters)).toBe('packetization-mode=1;profile-level-id=420020;flag');
  });
});

describe('ICE and DTLS attributes', () => {
  it('reads candidates as clients write them, and writes them', () => {
    const udp = parseIceCandidate('64877525 1 UDP 2122194687 192.0.2.10 39042 typ host generation 0 network-id 1');
    expect(udp).toEqual({
      foundation: '64877525',
      component: 1,
      transport: 'udp',
      priority: 2_122_194_687,
      address: '192.0.2.10',
      port: 39_042,
      type: 'host',
    });
    expect(udp && writeIceCandidate(udp)).toBe('64877525 1 udp 2122194687 192.0.2.10 39042 typ host');
    const tcp = '1 1 tcp 1518214911 2001:db8::1 9 typ host tcptype passive';
    const parsed = parseIceCandidate(tcp);
    expect(parsed?.tcpType).toBe('passive');
    expect(parsed && writeIceCandidate(parsed)).toBe(tcp);
    expect(parseIceCandidate('1 1 sctp 1 192.0.2.1 9 typ host')).toBeUndefined();
    expect(parseIceCandidate('1 1 udp 1 192.0.2.1 65536 typ host')).toBeUndefined();
  });

  it('takes credentials that the RFC allows only', () => {
    const pwd = 'P2uYro0UCOQ4zxjKXaWCBui1';
    expect(iceCredentials('EsAw', pwd)).toEqual({ ufrag: 'EsAw', pwd });
    expect(iceCredentials('abc', pwd)).toBeUndefined();
    expect(iceCredentials('EsAw', 'short')).toBeUndefined();
    expect(iceCredentials('Es:w', pwd)).toBeUndefined();
    expect(iceCredentials(undefined, pwd)).toBeUndefined();
  });

  it('reads fingerprints in any case', () => {
    expect(parseFingerprint('SHA-256 ab:cd:0F')).toEqual({ algorithm: 'sha-256', value: 'AB:CD:0F' });
    expect(parseFingerprint('sha-256 abcd')).toBeUndefined();
  });
});

describe('an H.264 profile', () => {
  it.each([
    ['42e01f', 'constrained_baseline', 31],
    ['42001f', 'baseline', 31],
    ['42C01E', 'constrained_baseline', 30],
    ['4d001f', 'main', 31],
    ['4d401f', 'main', 31],
    ['4d801f', 'constrained_baseline', 31],
    ['58c01f', 'constrained_baseline', 31],
    ['640c1f', 'constrained_high', 31],
    ['640028', 'high', 40],
    ['f4001f', 'high_444', 31],
    ['42f00b', 'constrained_baseline', 9],
    ['42e00b', 'constrained_baseline', 11],
  ] as const)('%s is %s, level %i', (id, profile, level) => {
    expect(parseH264ProfileLevel(id)).toEqual({ profile, level, id: id.toLowerCase() });
  });

  it('is understood in the seven digits that FFmpeg writes for constrained baseline', () => {
    expect(parseH264ProfileLevel('422001f')).toEqual({ profile: 'constrained_baseline', level: 31, id: '42401f' });
  });

  it.each(['', '42e0', 'xxxxxx', 'ff001f', '42e01f00'])('is not read from %j', (text) => {
    expect(parseH264ProfileLevel(text)).toBeUndefined();
  });

  it('can be decoded by the profiles above it', () => {
    expect(h264ProfileDecodes('high', 'constrained_baseline')).toBe(true);
    expect(h264ProfileDecodes('main', 'main')).toBe(true);
    expect(h264ProfileDecodes('constrained_baseline', 'high')).toBe(false);
    expect(h264ProfileDecodes('main', 'baseline')).toBe(false);
  });
});
