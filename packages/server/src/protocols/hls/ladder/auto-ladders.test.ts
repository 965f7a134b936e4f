import { expect, test, vi } from 'vitest';
import { MediaServerError, StreamRegistry } from '../../../core/index.ts';
import { fakeLog, PUBLISHER, VIDEO } from '../testing/fakes.ts';
import { AutoLadders } from './auto-ladders.ts';
import type { HlsLadder } from './ladder.ts';

function setUp() {
  const streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  const opened: string[] = [];
  const warnings: unknown[] = [];
  const log = { ...fakeLog(), warn: (fields: object) => void warnings.push(fields) };
  const openLadder = async (streamName: string): Promise<HlsLadder> =>
    ({
      streamName,
      ladder: { renditions: [{ name: 'original' }, { name: '480' }, { name: '240' }] },
      open: (name: string) => {
        if (name === '480') throw new MediaServerError('TRANSCODING_LIMIT', 'no cores are free');
        opened.push(`${streamName} ${name}`);
        return undefined;
      },
    }) as unknown as HlsLadder;
  return { streams, opened, warnings, ladders: new AutoLadders({ streams, log, openLadder }) };
}

test('asks for all qualities of streams with a picture again and again, and tells once what can not be made', async () => {
  const { streams, opened, warnings, ladders } = setUp();
  streams.publish('sound', PUBLISHER);
  streams.publish('cam', PUBLISHER).setTrack(VIDEO);
  ladders.sweep(0);
  await vi.waitFor(() => expect(opened).toEqual(['cam original', 'cam 240']));
  ladders.sweep(1999);
  ladders.sweep(2000);
  await vi.waitFor(() => expect(opened).toHaveLength(4));
  expect(warnings).toEqual([{ stream: 'cam', why: 'no cores are free' }]);
  streams.close();
});
