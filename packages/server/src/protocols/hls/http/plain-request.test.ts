import { describe, expect, it } from 'vitest';
import { parsePlainRequest } from './plain-request.ts';

const HOST = 'Host: a\r\n';

describe('a request as players send it', () => {
  it('is read', () => {
    const text = `GET /cam/cam.m3u8?token=1 HTTP/1.1\r\n${HOST}user-agent:  A b \r\nRANGE: bytes=0-1\r\nAccept: */*\r\n\r\n`;
    expect(parsePlainRequest(text)).toEqual({
      method: 'GET',
      url: '/cam/cam.m3u8?token=1',
      userAgent: 'A b',
      range: 'bytes=0-1',
      close: false,
    });
  });

  it.each([
    ['Connection: close', true],
    ['connection:  Close ', true],
    ['Connection: keep-alive', false],
    ['Connection: keep-alive\r\nConnection: close', true],
  ])('says with %j whether the connection is to end', (header, close) => {
    expect(parsePlainRequest(`HEAD / HTTP/1.1\r\n${HOST}${header}\r\n\r\n`)).toMatchObject({ method: 'HEAD', close });
  });

  it('counts with the first of several headers', () => {
    const text = `GET / HTTP/1.1\r\n${HOST}User-Agent: one\r\nUser-Agent: two\r\nRange: 1\r\nRange: 2\r\n\r\n`;
    expect(parsePlainRequest(text)).toMatchObject({ userAgent: 'one', range: '1' });
  });
});

it.each([
  ['not complete', `GET / HTTP/1.1\r\n${HOST}`],
  ['without its empty line', `GET / HTTP/1.1\r\n${HOST}\r`],
  ['followed by another', `GET / HTTP/1.1\r\n${HOST}\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['followed by anything', `GET / HTTP/1.1\r\n${HOST}\r\nx`],
  ['begun with an empty line', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['of another method', `POST / HTTP/1.1\r\n${HOST}\r\n`],
  ['of another version', `GET / HTTP/1.0\r\n${HOST}\r\n`],
  ['for a whole address', `GET http://a/ HTTP/1.1\r\n${HOST}\r\n`],
  ['with a space in its address', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ['with a fragment', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['with other characters in its address', `GET /\xe4 HTTP/1.1\r\n${HOST}\r\n`],
  ['without a host', 'GET / HTTP/1.1\r\nAccept: a\r\n\r\n'],
  ['with two hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  ['with a body', `GET / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\n`],
  ['with a body in chunks', `GET / HTTP/1.1\r\n${HOST}transfer-encoding: chunked\r\n\r\n`],
  ['with a space before a colon', `GET / HTTP/1.1\r\n${HOST}Content-Length : 3\r\n\r\n`],
  ['with a line that goes on', `GET / HTTP/1.1\r\n${HOST}A: b\r\n c\r\n\r\n`],
  ['with a bare line feed', `GET / HTTP/1.1\r\n${HOST}A: b\nTransfer-Encoding: chunked\r\n\r\n`],
  ['with a bare carriage return', `GET / HTTP/1.1\r\n${HOST}A: b\rc\r\n\r\n`],
  ['with a zero byte', `GET / HTTP/1.1\r\n${HOST}A: b\0\r\n\r\n`],
  ['with a header without a name', `GET / HTTP/1.1\r\n${HOST}: b\r\n\r\n`],
  ['that waits for leave', `GET / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n\r\n`],
  ['that wants another protocol', `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: x\r\n\r\n`],
  ['with other options of its connection', `GET / HTTP/1.1\r\n${HOST}Connection: close, x\r\n\r\n`],
])('a request %s is not read', (_, text) => {
  expect(parsePlainRequest(text)).toBeUndefined();
});
