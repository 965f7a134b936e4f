import { ProtocolError } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { RtspHeaders, sequenceOf } from './headers.ts';
import { DEFAULT_RTSP_READER_OPTIONS, type RtspEvent, RtspReader } from './reader.ts';
import { writeInterleaved, writeRequest, writeResponse } from './writer.ts';

/** All events; payloads copied, as they are good only within the callback. */
function collect(bytes: Uint8Array, step = bytes.length, reader = new RtspReader()): RtspEvent[] {
  const events: RtspEvent[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    reader.push(bytes.subarray(at, at + step), (event) =>
      events.push(event.type === 'interleaved' ? { ...event, payload: event.payload.slice() } : event),
    );
  }
  return events;
}

function plain(event: RtspEvent | undefined): unknown {
  if (event === undefined) return undefined;
  if (event.type === 'interleaved') return { ...event, payload: Buffer.from(event.payload).toString('hex') };
  return { ...event, headers: [...event.headers], body: Buffer.from(event.body).toString() };
}

const conversation = Buffer.concat([
  writeRequest({ method: 'ANNOUNCE', uri: 'rtsp://host/a b', headers: RtspHeaders.of({ CSeq: 1 }), body: 'v=0\r\n' }),
  writeInterleaved(1, Buffer.from('80c8', 'hex')),
  writeInterleaved(0, Buffer.alloc(0)),
  writeResponse({ status: 200, headers: RtspHeaders.of({ CSeq: 7, Session: undefined, Public: 'OPTIONS' }) }),
  writeInterleaved(255, Buffer.alloc(65_535, 0x24)),
  writeResponse({ status: 454, headers: RtspHeaders.of({ CSeq: 8 }) }),
]);

function failure(bytes: Uint8Array, step?: number): string {
  try {
    collect(bytes, step);
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'none';
}

describe('RTSP reader', () => {
  it.each([1, 2, 7, 1000, 100_000])('reads both roles and frames whatever the size of the pieces (%i)', (step) => {
    expect(collect(conversation, step).map(plain)).toEqual([
      {
        type: 'request',
        method: 'ANNOUNCE',
        uri: 'rtsp://host/a%20b',
        version: 'RTSP/1.0',
        headers: [
          ['CSeq', '1'],
          ['Content-Length', '5'],
        ],
        body: 'v=0\r\n',
      },
      { type: 'interleaved', channel: 1, payload: '80c8' },
      { type: 'interleaved', channel: 0, payload: '' },
      {
        type: 'response',
        version: 'RTSP/1.0',
        status: 200,
        reason: 'OK',
        headers: [
          ['CSeq', '7'],
          ['Public', 'OPTIONS'],
        ],
        body: '',
      },
      { type: 'interleaved', channel: 255, payload: '24'.repeat(65_535) },
      {
        type: 'response',
        version: 'RTSP/1.0',
        status: 454,
        reason: 'Session Not Found',
        headers: [['CSeq', '8']],
        body: '',
      },
    ]);
  });

  it('reads lines that end with LF alone, folded headers, lines without colon and empty lines between messages', () => {
    const text = '\r\n\nOPTIONS  rtsp://h/x y  RTSP/1.0 \ncseq:3\nX-Long: one\n  two\n\tthree\nrubbish\n\n\r\n';
    const [request, ...more] = collect(Buffer.from(text), 3);
    expect(more).toEqual([]);
    expect(request).toMatchObject({ type: 'request', method: 'OPTIONS', uri: 'rtsp://h/x y' });
    if (request?.type !== 'request') throw new Error('no request');
    expect(sequenceOf(request.headers)).toBe(3);
    expect(request.headers.get('x-long')).toBe('one two three');
  });

  it('gives what follows the head of a tunnel to the caller, whatever length was told', () => {
    const reader = new RtspReader();
    const seen: RtspEvent[] = [];
    reader.push(Buffer.from('POST /x HTTP/1.0\r\nContent-Length: 32767\r\n\r\nT1BU'), (event) => {
      seen.push(event);
      reader.stop();
    });
    expect(seen).toMatchObject([{ method: 'POST', version: 'HTTP/1.0', body: new Uint8Array(0) }]);
    expect(Buffer.from(reader.rest()).toString()).toBe('T1BU');
    expect(reader.pendingBytes).toBe(0);
  });

  it('goes on with RTSP behind the good answer to a tunnel', () => {
    const bytes = 'HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nRTSP/1.0 200\r\nCSeq: 1\r\n\r\n';
    expect(collect(Buffer.from(bytes)).map((event) => event.type === 'response' && event.version)).toEqual([
      'HTTP/1.0',
      'RTSP/1.0',
    ]);
  });

  it('refuses lines, headers and bodies over its limits, fed whole or byte by byte', () => {
    const { maxLineBytes, maxHeaders, maxHeadBytes, maxBodyBytes } = DEFAULT_RTSP_READER_OPTIONS;
    const start = 'OPTIONS * RTSP/1.0\r\n';
    for (const step of [1, 100_000]) {
      expect(failure(Buffer.from('A'.repeat(maxLineBytes + 10)), step)).toBe('RTSP_HEADER_TOO_LONG');
      expect(failure(Buffer.from(`${start}${'a: b\r\n'.repeat(maxHeaders + 1)}`), step)).toBe('RTSP_HEADER_TOO_LONG');
      const long = `a: ${'b'.repeat(4000)}\r\n`;
      expect(failure(Buffer.from(`${start}${long.repeat(maxHeadBytes / 4000 + 1)}`), step)).toBe(
        'RTSP_HEADER_TOO_LONG',
      );
      const body = `${start}Content-Length: ${maxBodyBytes + 1}\r\n\r\n`;
      expect(failure(Buffer.from(body), step)).toBe('RTSP_BODY_TOO_LONG');
    }
  });

  it.each([
    'GET / SMTP/1.0\r\n',
    '\x16\x03\x01\x02\n',
    'OPTIONS\r\n',
    'OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n',
    'OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'RTSP/1.0 20 OK\r\n',
  ])('refuses what is no message: %j', (text) => {
    expect(failure(Buffer.from(text))).toBe('RTSP_BAD_MESSAGE');
  });

  it('gives the same error for everything that is fed after an error', () => {
    const reader = new RtspReader();
    const push = (text: string): void => reader.push(Buffer.from(text), () => undefined);
    expect(() => push('rubbish\r\n')).toThrow(ProtocolError);
    expect(() => push('OPTIONS * RTSP/1.0\r\n\r\n')).toThrow('no message of RTSP');
  });

  it('tells whether a message is under way, and takes bounded memory for it', () => {
    const reader = new RtspReader();
    reader.push(Buffer.from('$\0'), () => undefined);
    expect(reader.inMessage).toBe(false);
    reader.push(Buffer.from('\0\0OPT'), () => undefined);
    expect(reader.inMessage).toBe(true);
  });

  it('gives events or one ProtocolError for damaged conversations, and holds no more than its limits', () => {
    const random = prng(20_260);
    const short = conversation.subarray(0, 300);
    let errors = 0;
    let events = 0;
    for (let round = 0; round < 3000; round += 1) {
      const bytes = mutate(round % 50 === 0 ? conversation : short, random);
      const reader = new RtspReader({ maxBodyBytes: 1000 });
      const step = 1 + Math.floor(random() * 200);
      try {
        for (let at = 0; at < bytes.length; at += step) {
          reader.push(bytes.subarray(at, at + step), () => {
            events += 1;
          });
          expect(reader.pendingBytes).toBeLessThan(65_540 + 200);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
        errors += 1;
      }
    }
    expect(errors).toBeGreaterThan(100);
    expect(events).toBeGreaterThan(1000);
  });
});

describe('RTSP writer', () => {
  it('lets no value begin another header or message', () => {
    const headers = RtspHeaders.of({ 'X-Name': 'a\r\nSet: b\r\n\r\nRTSP/1.0 200 OK' });
    const [response, ...more] = collect(writeResponse({ status: 404, reason: 'no\r\nA: b', headers }));
    expect(more).toEqual([]);
    expect(plain(response)).toMatchObject({ headers: [['X-Name', 'a Set: b RTSP/1.0 200 OK']], reason: 'no A: b' });
  });

  it('refuses packets that no frame can carry', () => {
    expect(() => writeInterleaved(0, Buffer.alloc(65_536))).toThrow(RangeError);
  });
});
