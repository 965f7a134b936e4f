import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { parseAuthentications, writeAuthentication } from './authentication.ts';
import { RtspHeaders, sequenceOf } from './headers.ts';
import { parseRange, parseRtpInfo, parseSession, writeRange, writeRtpInfo, writeSession } from './playback-headers.ts';
import { parseTransports, writeTransport } from './transport.ts';

const TRANSPORTS = [
  'RTP/AVP/TCP;unicast;interleaved=0-1;mode="PLAY"',
  'RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;ssrc=0000BEEF',
  'RTP/SAVP;multicast;destination=224.2.0.1;source=10.0.0.1;append;ttl=127;layers=2;port=3456-3457;mode="RECORD"',
];

describe('Transport header', () => {
  it('is written as it was read, in all its parameters and alternatives', () => {
    expect(parseTransports(TRANSPORTS.join(',')).map(writeTransport)).toEqual(TRANSPORTS);
  });

  it('reads what players and cameras write', () => {
    expect(parseTransports('RTP/AVP/UDP;unicast;client_port=5000')).toEqual([
      { profile: 'RTP/AVP', lower: 'UDP', delivery: 'unicast', clientPort: [5000, 5001] },
    ]);
    expect(parseTransports('rtp/avp/tcp;Unicast; interleaved = 2-3 ;mode=record;RTCP-mux')).toEqual([
      { profile: 'RTP/AVP', lower: 'TCP', delivery: 'unicast', interleaved: [2, 3], mode: 'record' },
    ]);
  });

  it('leaves out alternatives and parameters that can not be read', () => {
    expect(parseTransports('nonsense, RAW/RAW/UDP;client_port=99999-1;ttl=x;interleaved=255;ssrc=zz,;;')).toEqual([
      { profile: 'RAW/RAW', lower: 'UDP' },
    ]);
  });
});

describe('Session, Range and RTP-Info', () => {
  it('reads and writes a session with and without timeout', () => {
    expect(parseSession(' 47112344 ; timeout=65')).toEqual({ id: '47112344', timeoutSeconds: 65 });
    expect(parseSession('a;b;timeout=x')).toEqual({ id: 'a', timeoutSeconds: undefined });
    expect(parseSession(' ')).toBeUndefined();
    expect(writeSession({ id: 'a', timeoutSeconds: 60 })).toBe('a;timeout=60');
    expect(writeSession({ id: 'a', timeoutSeconds: undefined })).toBe('a');
  });

  it.each([
    ['npt=now-', 'now', undefined, 'npt=now-'],
    ['npt=0.000-', 0, undefined, 'npt=0.000-'],
    ['NPT = 1:02:03.5-2:00:00', 3723.5, 7200, 'npt=3723.500-7200.000'],
    ['npt=-20', undefined, 20, 'npt=-20.000'],
  ])('reads the range %s', (text, start, end, written) => {
    const range = parseRange(text);
    expect(range).toEqual({ start, end });
    expect(range && writeRange(range)).toBe(written);
  });

  it('knows no ranges of other units', () => {
    expect(['clock=19961108T143720Z-', 'smpte=0:10:00-', 'npt=', 'npt=-'].map(parseRange)).toEqual(
      new Array(4).fill(undefined),
    );
  });

  it('reads and writes RTP-Info', () => {
    const text = 'url=rtsp://h/a/trackID=0;seq=65535;rtptime=4294967295,url=rtsp://h/a/trackID=1';
    const tracks = parseRtpInfo(text);
    expect(tracks).toEqual([
      { url: 'rtsp://h/a/trackID=0', sequence: 65_535, rtpTime: 4_294_967_295 },
      { url: 'rtsp://h/a/trackID=1', sequence: undefined, rtpTime: undefined },
    ]);
    expect(writeRtpInfo(tracks)).toBe(text);
    expect(parseRtpInfo('url=a;seq=65536;rtptime=-1')).toEqual([{ url: 'a', sequence: undefined, rtpTime: undefined }]);
  });
});

describe('authentication headers', () => {
  it('reads several challenges of one header', () => {
    const found = parseAuthentications(
      'Digest realm="a, \\"b\\"", nonce="n==", qop="auth,auth-int", algorithm=SHA-256, Basic realm="c"',
    );
    expect(found.map((one) => [one.scheme, one.token, Object.fromEntries(one.parameters)])).toEqual([
      ['digest', undefined, { realm: 'a, "b"', nonce: 'n==', qop: 'auth,auth-int', algorithm: 'SHA-256' }],
      ['basic', undefined, { realm: 'c' }],
    ]);
  });

  it('reads credentials of both schemes', () => {
    expect(parseAuthentications('Basic dXNlcjpwYXNz')).toMatchObject([{ scheme: 'basic', token: 'dXNlcjpwYXNz' }]);
    expect(parseAuthentications('Basic dTpwYQ==')).toMatchObject([{ scheme: 'basic', token: 'dTpwYQ==' }]);
    const [digest] = parseAuthentications('Digest username="u", uri="rtsp://h/?a=b", nc=00000001, response="ff"');
    expect(Object.fromEntries(digest?.parameters ?? [])).toEqual({
      username: 'u',
      uri: 'rtsp://h/?a=b',
      nc: '00000001',
      response: 'ff',
    });
  });

  it('quotes qop in challenges and not in credentials', () => {
    expect(writeAuthentication('Digest', { realm: 'a"b', qop: 'auth', algorithm: 'MD5' })).toBe(
      'Digest realm="a\\"b", qop="auth", algorithm=MD5',
    );
    expect(writeAuthentication('Digest', { qop: 'auth', nc: '00000001', response: 'ff' })).toBe(
      'Digest qop=auth, nc=00000001, response="ff"',
    );
    expect(writeAuthentication('Negotiate', {})).toBe('Negotiate');
  });
});

describe('header fields', () => {
  it('are found without case, in their order, and replaced', () => {
    const headers = RtspHeaders.of({ 'WWW-Authenticate': 'Basic', CSeq: 4, None: undefined });
    headers.add('www-authenticate', 'Digest');
    expect(headers.all('Www-Authenticate')).toEqual(['Basic', 'Digest']);
    headers.set('WWW-AUTHENTICATE', 'x');
    expect([...headers]).toEqual([
      ['WWW-AUTHENTICATE', 'x'],
      ['CSeq', '4'],
    ]);
    headers.set('New', 'y');
    expect(headers.size).toBe(3);
  });

  it('have a number only when it can be read', () => {
    expect(['7', ' 8 ', '-1', '', '99999999999'].map((CSeq) => sequenceOf(RtspHeaders.of({ CSeq })))).toEqual([
      7,
      8,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('can be damaged in any way without an error or a long search', () => {
    const random = prng(99);
    const samples = [
      ...TRANSPORTS,
      'npt=1:02:03.5-2:00:00',
      'url=rtsp://h/a;seq=1;rtptime=2,url=b',
      'Digest realm="a, b", nonce="n", Basic realm="c"',
      `Digest ${'a="b\\", '.repeat(900)}`,
      `npt=${'1'.repeat(8000)}`,
      `RTP/AVP;${';mode="'.repeat(1000)}`,
      `${' '.repeat(8000)}=${' '.repeat(100)}`,
    ];
    const started = performance.now();
    for (let round = 0; round < 2000; round += 1) {
      const sample = Buffer.from(samples[round % samples.length] ?? '');
      const text = Buffer.from(mutate(sample, random)).toString();
      for (const read of [parseTransports, parseAuthentications, parseRange, parseRtpInfo, parseSession]) read(text);
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
