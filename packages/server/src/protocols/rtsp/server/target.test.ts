import { expect, test } from 'vitest';
import { parseTarget } from './target.ts';

test('slashes at the end of an address are none of the name', () => {
  expect(parseTarget('rtsp://h:5554/a/b//?token=t/trackID=1')).toMatchObject({
    streamName: 'a/b',
    address: 'rtsp://h:5554/a/b',
    track: 1,
    custom: { token: 't' },
  });
  expect(parseTarget('rtsp://h/a/trackID=0/')).toMatchObject({ streamName: 'a', track: 0 });
});

test('an address of nothing but slashes is read in no time', () => {
  const startedMs = performance.now();
  parseTarget(`rtsp://h/${'/'.repeat(300_000)}x`);
  expect(performance.now() - startedMs).toBeLessThan(5000);
});
