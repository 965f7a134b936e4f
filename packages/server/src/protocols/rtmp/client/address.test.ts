import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { MediaServerError } from '../../../core/index.ts';
import { movedTo, parseRtmpUrl, streamIn, streamOf, tcUrlOf } from './address.ts';

function whole(url: string): object {
  const target = streamOf(parseRtmpUrl(url));
  return { tcUrl: tcUrlOf(target, target.app), app: target.app, stream: target.streamName };
}

describe('a complete address of RTMP', () => {
  it.each([
    ['rtmp://a.rtmp.youtube.com/live2/abcd-efgh', 'rtmp://a.rtmp.youtube.com/live2', 'live2', 'abcd-efgh'],
    [
      'rtmps://live-api-s.facebook.com:443/rtmp/FB-1-0-Ab?s_bl=1&s_ow=10&a=Ab/c',
      'rtmps://live-api-s.facebook.com:443/rtmp',
      'rtmp',
      'FB-1-0-Ab?s_bl=1&s_ow=10&a=Ab/c',
    ],
    ['rtmp://host/app/_definst_/key', 'rtmp://host/app/_definst_', 'app/_definst_', 'key'],
    ['rtmp://[::1]:1936/live/key', 'rtmp://[::1]:1936/live', 'live', 'key'],
    ['RTMP://Host/live/KEY%20x', 'rtmp://Host/live', 'live', 'KEY%20x'],
    ['rtmp://u:p@host//live//key', 'rtmp://host/live', 'live', 'key'],
    ['rtmp://host/vod/mp4:folder/film.mp4', 'rtmp://host/vod', 'vod', 'mp4:folder/film.mp4'],
  ])('%s is an application and a stream', (url, tcUrl, app, stream) => {
    expect(whole(url)).toEqual({ tcUrl, app, stream });
  });

  it.each(['rtmp://host/live', 'rtmp://host/', 'rtmp://host/live/', 'rtmp://host'])('is not %s', (url) => {
    expect(() => whole(url)).toThrow(MediaServerError);
  });
});

describe('an address of an application', () => {
  it.each([
    ['rtmp://host/live', 'live'],
    ['rtmp://host:1936/live/', 'live'],
    ['rtmp://host/a/b/c?token=x', 'a/b/c?token=x'],
  ])('%s takes streams', (url, app) => {
    expect(streamIn(parseRtmpUrl(url), 'rtmp_cam')).toMatchObject({ app, streamName: 'rtmp_cam' });
  });
});

describe('credentials in an address', () => {
  it.each([
    ['rtmp://user:pass@host/live', { user: 'user', password: 'pass' }],
    ['rtmp://us%40er:p%3Aa%2Fs%25@host/live', { user: 'us@er', password: 'p:a/s%' }],
    ['rtmp://me@home.org:a:b@host/live', { user: 'me@home.org', password: 'a:b' }],
    ['rtmp://user:50%@host/live', { user: 'user', password: '50%' }],
    ['rtmp://user@host/live', { user: 'user', password: '' }],
    ['rtmp://host/live', undefined],
  ])('of %s are read', (url, credentials) => {
    expect(parseRtmpUrl(url).credentials).toEqual(credentials);
    expect(parseRtmpUrl(url).authority).toBe('host');
  });

  it('are not given to another server that sends us elsewhere', () => {
    const target = streamIn(parseRtmpUrl('rtmp://user:pass@host/live'), 'cam');
    expect(movedTo('rtmp://elsewhere/app', target)).toMatchObject({
      server: { authority: 'elsewhere', credentials: undefined },
      app: 'app',
      streamName: 'cam',
    });
    expect(movedTo('rtmp://host', target)).toMatchObject({ server: { credentials: { user: 'user' } }, app: 'live' });
  });
});

describe('what is no address of RTMP', () => {
  it.each([
    'http://host/live/key',
    'rtmp:/host/live',
    'rtmp://',
    'rtmp:///live/key',
    'rtmp://host:0/live/key',
    'rtmp://host:70000/a/b',
  ])('is refused: %s', (url) => {
    expect(() => parseRtmpUrl(url)).toThrow(MediaServerError);
  });

  it('gives an error or an address, whatever it is', () => {
    const random = prng(7);
    const seed = Buffer.from('rtmps://us%40er:pa?ss@[fe80::1]:443/app/inst/mp4:key?a=b#c');
    for (let i = 0; i < 5000; i++) {
      const url = Buffer.from(mutate(seed, random)).toString('latin1');
      try {
        streamOf(parseRtmpUrl(url));
      } catch (error) {
        expect(error).toBeInstanceOf(MediaServerError);
      }
    }
  });
});
