import { ProtocolError } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../../media/src/testing/mutate.ts';
import { callerExtensions, extensionOf, handshakeOf } from '../testing/raw-caller.ts';
import {
  inductionAnswer,
  inductionFor,
  isShutdown,
  REFUSAL,
  readHandshake,
  readStreamId,
  refusalOf,
  shutdownFor,
  withCookie,
} from './handshake.ts';
import { readRequest } from './stream-id.ts';

const conclusion = handshakeOf({ type: -1, cookie: 9, extensions: callerExtensions('publish:café/1') });

describe('SRT handshakes', () => {
  it('are told from everything else that comes to the port', () => {
    expect(readHandshake(handshakeOf({ type: 1, version: 4, socketId: 5 }))).toMatchObject({
      ...{ type: 'induction', socketId: 5, cookie: 0, version: 4 },
    });
    expect(readHandshake(conclusion)).toMatchObject({ type: 'conclusion', cookie: 9, version: 5 });
    expect(readHandshake(handshakeOf({ type: 0 }))?.type).toBe('other');
    expect(readHandshake(conclusion.subarray(0, 63))).toBeUndefined();
    expect(readHandshake(Buffer.alloc(1316))).toBeUndefined();
    expect(readHandshake(shutdownFor(3))).toBeUndefined();
    expect([isShutdown(shutdownFor(3)), isShutdown(conclusion), isShutdown(Buffer.alloc(3))]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('have a stream id whose words stand the wrong way round', () => {
    expect(readStreamId(conclusion)).toBe('publish:café/1');
    expect(readStreamId(handshakeOf({ type: -1, extensions: callerExtensions('') }))).toBe('');
    const captured = extensionOf(5, Buffer.from('6c627570', 'hex'));
    expect(readStreamId(handshakeOf({ type: -1, extensions: Buffer.concat([callerExtensions(''), captured]) }))).toBe(
      'publ',
    );
  });

  it.each([
    ['no extension of SRT', Buffer.alloc(0)],
    ['an extension longer than the packet', Buffer.concat([callerExtensions(''), Buffer.from('0005ffff', 'hex')])],
    ['a stream id of more than 512 bytes', callerExtensions('x'.repeat(516))],
  ])('with %s can not be read', (_what, extensions) => {
    expect(readStreamId(handshakeOf({ type: -1, extensions }))).toBeUndefined();
  });

  it('are answered with as many bytes as came, to the socket that sent them', () => {
    const answer = inductionAnswer(handshakeOf({ type: 1, version: 4, socketId: 5 }), 0xdeadbeef);
    expect(answer).toHaveLength(64);
    expect([answer.readUInt32BE(12), answer.readUInt16BE(22)]).toEqual([5, 0x4a17]);
    expect(readHandshake(answer)).toMatchObject({ type: 'induction', version: 5, cookie: 0xdeadbeef });
    const refusal = refusalOf(conclusion, REFUSAL.forbidden);
    expect([refusal.length, refusal.readUInt32BE(36), refusal.readUInt32BE(12)]).toEqual([64, 2403, 77]);
    expect(readHandshake(refusal)).toMatchObject({ type: 'refusal', reason: 1403 });
  });

  it('are made anew for the library', () => {
    expect(readHandshake(inductionFor(conclusion))).toMatchObject({ type: 'induction', version: 4, cookie: 0 });
    expect(readHandshake(withCookie(conclusion, 3))?.cookie).toBe(3);
    expect(readHandshake(conclusion)?.cookie).toBe(9);
  });

  it('of any bytes are read or not, without an error', () => {
    const random = prng(7);
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(mutate(conclusion, random));
      if (readHandshake(bytes) === undefined) continue;
      const streamId = readStreamId(bytes);
      if (streamId === undefined) continue;
      expect(streamId.length).toBeLessThanOrEqual(512);
      try {
        expect(readRequest(streamId).streamName).not.toBe('');
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  });
});

describe('stream ids', () => {
  it.each([
    ['publish:cam', 'publish', 'cam', {}],
    ['read:a/b:c', 'play', 'a/b:c', {}],
    ['request:cam', 'play', 'cam', {}],
    ['publish:cam?token=a%20b&x=1', 'publish', 'cam', { token: 'a b', x: '1' }],
    ['read:rtsp://u:p@cam:554/1?a=b', 'play', 'rtsp://u:p@cam:554/1?a=b', {}],
    ['#!::r=cam,m=publish,token=t=1,u=me', 'publish', 'cam', { token: 't=1', u: 'me' }],
    ['#!::m=request,r=live/cam', 'play', 'live/cam', {}],
    ['#!::r=cam', 'play', 'cam', {}],
  ])('%s is understood', (streamId, mode, streamName, parameters) => {
    expect(readRequest(streamId)).toEqual({ mode, streamName, parameters });
  });

  it.each([
    '',
    'cam',
    'publish:',
    ':cam',
    'push:cam',
    '#!::m=publish',
    '#!::r=cam,m=bidirectional',
    '#!::',
    'toString:x',
  ])('%j is refused', (streamId) => {
    expect(() => readRequest(streamId)).toThrow(ProtocolError);
  });
});
