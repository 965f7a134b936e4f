import { expect, test } from 'vitest';
import { baseUrl, controlUrl } from './control-url.ts';
import { parseInterleavedChannels } from './options.ts';
import { parseRtspUrl, redirected } from './url.ts';

test('credentials are taken out of the address and decoded', () => {
  const address = parseRtspUrl('rtsp://ad%40min:p%3Ass%2Fw@camera.example/live/1?channel=2&x=%41');
  expect(address.credentials).toEqual({ user: 'ad@min', password: 'p:ss/w' });
  expect(address.requestUrl).toBe('rtsp://camera.example:554/live/1?channel=2&x=%41');
  expect(parseRtspUrl('rtsp://user:100%@h/').credentials).toEqual({ user: 'user', password: '100%' });
  expect(parseRtspUrl('rtsp://user@h/').credentials).toEqual({ user: 'user', password: '' });
});

test('each scheme has its port, and IPv6 addresses lose their brackets', () => {
  expect(parseRtspUrl('rtsp://h/a')).toMatchObject({ scheme: 'rtsp', port: 554 });
  expect(parseRtspUrl('rtsps://h/a')).toMatchObject({ port: 322, requestUrl: 'rtsps://h:322/a' });
  expect(parseRtspUrl('rtsph://h/a')).toMatchObject({ port: 80, requestUrl: 'rtsp://h:80/a' });
  expect(parseRtspUrl('rtspu://h:8554')).toMatchObject({ port: 8554, requestUrl: 'rtsp://h:8554/' });
  expect(parseRtspUrl('rtsp://[::1]:99/a')).toMatchObject({ host: '::1', requestUrl: 'rtsp://[::1]:99/a' });
});

test.each([
  'rtsp://',
  'rtsp:/a',
  'http://h/a',
  'rtsp://h:0/a',
  'rtsp://h:99999/a',
  'rtsp://a b/',
  `rtsp://h/${'a'.repeat(5000)}`,
])('%.40s is refused with a text that has no part of it', (url) => {
  expect(() => parseRtspUrl(url)).toThrow(expect.objectContaining({ code: 'URL_INVALID' }));
});

test('a redirection takes credentials along within a host, not to another one and not out of TLS', () => {
  const from = parseRtspUrl('rtsp://u:p@h/a');
  expect(redirected(from, 'rtsp://h:8554/b').credentials).toEqual({ user: 'u', password: 'p' });
  expect(redirected(from, '/b?c')).toMatchObject({ requestUrl: 'rtsp://h:554/b?c', credentials: { user: 'u' } });
  expect(redirected(from, 'rtsp://other/b').credentials).toBeUndefined();
  expect(redirected(from, 'rtsp://x:y@other/b').credentials).toEqual({ user: 'x', password: 'y' });
  expect(redirected(parseRtspUrl('rtsps://u:p@h/a'), 'rtsp://h/b').credentials).toBeUndefined();
  expect(redirected(parseRtspUrl('rtspu://u:p@h/a'), 'rtsp://h/b').scheme).toBe('rtspu');
  for (const wrong of ['http://h/b', '//[h/b'])
    expect(() => redirected(from, wrong)).toThrow(expect.objectContaining({ code: 'URL_INVALID' }));
});

test('controls are relative to what the answer tells, by whatever host', () => {
  const requestUrl = 'rtsp://1.2.3.4:8554/live?a=1';
  const base = (contentBase?: string, contentLocation?: string): string =>
    baseUrl({ requestUrl, contentBase, contentLocation });
  expect(base()).toBe(requestUrl);
  expect(base('rtsp://192.168.1.64/Streaming/Channels/101/')).toBe('rtsp://1.2.3.4:8554/Streaming/Channels/101/');
  expect(base(' ', 'rtsp://10.0.0.1:554/x')).toBe('rtsp://1.2.3.4:8554/x');
  expect(base('/only/path/')).toBe('rtsp://1.2.3.4:8554/only/path/');
});

test.each([
  ['trackID=1', 'rtsp://h:554/live/trackID=1'],
  ['*', 'rtsp://h:554/live'],
  ['', 'rtsp://h:554/live'],
  ['/live/trackID=1', 'rtsp://h:554/live/trackID=1'],
  ['?ctype=video', 'rtsp://h:554/live?ctype=video'],
  ['rtsp://192.168.0.9:554/live/video', 'rtsp://h:554/live/video'],
  ['rtsp://192.168.0.9', 'rtsp://h:554/'],
])('the control %s is at %s', (control, url) => {
  expect(controlUrl('rtsp://h:554/live', control)).toBe(url);
});

test('a control behind a base that ends with a slash gets no second one', () => {
  expect(controlUrl('rtsp://h:554/live/', 'trackID=1')).toBe('rtsp://h:554/live/trackID=1');
});

test('channels are read as audio, then video', () => {
  expect(parseInterleavedChannels('2-3;0-1')).toEqual({ audio: [2, 3], video: [0, 1] });
  expect(parseInterleavedChannels(';4-5')).toEqual({ audio: undefined, video: [4, 5] });
  expect(parseInterleavedChannels('4-5')).toEqual({ audio: [4, 5], video: undefined });
  expect(parseInterleavedChannels('')).toEqual({ audio: undefined, video: undefined });
  for (const wrong of ['0-1;0-1', '1-256;2-3', 'a;b', '0;1', '0-1;2-3;4-5'])
    expect(parseInterleavedChannels(wrong)).toBeUndefined();
});
