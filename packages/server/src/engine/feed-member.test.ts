import type { Track } from '@sluice/media';
import { expect, test, vi } from 'vitest';
import { TestCounters } from '../core/testing/hub.ts';
import { Feed, type OutputOrder } from './feed.ts';
import { FeedMember } from './feed-member.ts';
import { DEFAULT_ENGINE_OPTIONS } from './options.ts';
import { KEY_FRAME } from './wire.ts';
import type { WorkerProcess } from './worker-process.ts';

const VP8: Track = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };

test('passes on few of the requests for a key frame, however many come', () => {
  vi.useFakeTimers();
  let requests = 0;
  const worker = {
    canWrite: true,
    send: ({ type }: { type: number }) => {
      if (type === KEY_FRAME) requests++;
    },
  } as unknown as WorkerProcess;
  const counters = new TestCounters();
  const onEmpty = () => {};
  const feed = new Feed({ number: 1, source: VP8, shared: false, options: DEFAULT_ENGINE_OPTIONS, counters, onEmpty });
  const conversion = new FeedMember({
    ...{ output: 1, source: VP8, target: { codec: 'h264' }, counters, feed, onEncoder: () => {} },
    ...{ events: { onPacket: () => {}, onFailed: () => {} }, estimate: { cores: 0.1, fps: 30 } },
  });
  feed.join(conversion, { codec: 'h264' } as OutputOrder);
  feed.attach(worker);
  conversion.push({ track: VP8, units: [Uint8Array.of(1)], ptsUs: 0, dtsUs: 0, key: true, byteLength: 1 });
  vi.advanceTimersByTime(1);
  for (let i = 0; i < 10_000; i++) {
    conversion.requestKeyFrame();
    if (i % 100 === 99) vi.advanceTimersByTime(10);
  }
  expect(requests).toBeGreaterThan(10);
  expect(requests).toBeLessThanOrEqual(21);
  conversion.close();
  vi.useRealTimers();
});
