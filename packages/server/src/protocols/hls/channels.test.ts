import { expect, test } from 'vitest';
import { playerAcceptance, type Renditions, type Stream } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import { HlsChannels } from './channels.ts';
import { type HlsOptions, resolveHlsOptions } from './options.ts';
import { AUDIO, feed, PUBLISHER, VIDEO } from './testing/fakes.ts';

const PICTURE = {
  ...VIDEO,
  parameters: [Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex'), Uint8Array.of(0x68, 0xce)],
};
const PLAYER = playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']), startAt: 'oldest' });

/** Qualities of which none is made, so that the test needs no engine: both pass through. */
function fakeRenditions(): Renditions {
  const rendition = (name: string) => ({
    name,
    acceptance: PLAYER,
    original: name === 'original',
    size: { width: 640, height: 360 },
    bandwidthBps: 1_000_000,
    fps: 25,
    estimatedCores: 0,
  });
  return {
    enabled: () => true,
    ladder: (stream: Stream) =>
      stream.state.video && {
        renditions: [rendition('original'), rendition('low')],
        estimatedCores: 0,
        freeCores: 1,
        notes: [],
      },
    admit: () => {},
    thinner: () => [],
  };
}

function setUp(options: Partial<HlsOptions> = {}, renditions: Renditions | undefined = fakeRenditions()) {
  const hub = testHub();
  const channels = new HlsChannels({ ...hub, resolvers: [], renditions }, resolveHlsOptions(options));
  const stream = hub.streams.publish('cam', PUBLISHER);
  feed(stream, { fromMs: 0, toMs: 5100, video: PICTURE });
  return { ...hub, channels, stream };
}

test('a stream is packaged in each form that is asked for, and all of them stop together', async () => {
  const { channels, stream } = setUp();
  const muxed = await channels.open('cam');
  const split = await channels.open('cam', 'split');
  expect(muxed?.mediaPlaylist({ query: '' })).toMatch(/cam_\d+\.m4s\n/);
  expect(split?.mediaPlaylist({ query: '', track: 'video' })).toMatch(/cam_v_\d+\.m4s\n/);
  expect(split?.mediaPlaylist({ query: '', track: 'audio' })).toMatch(/cam_a_\d+\.m4s\n/);
  expect(split?.mediaPlaylist({ query: '' })).toBe('');
  expect([channels.size, channels.names(), stream.readerCount]).toEqual([2, ['cam'], 2]);
  expect([channels.stop('cam', false), channels.size, stream.readerCount]).toEqual([true, 0, 0]);
  expect(channels.stop('cam', false)).toBe(false);
});

test('the qualities of a stream are cut from the first request on, once for all who ask', async () => {
  const { channels, stream } = setUp();
  expect(channels.findLadder('cam', 0)).toBeUndefined();
  const [ladder, same] = await Promise.all([channels.openLadder('cam'), channels.openLadder('cam')]);
  expect(same).toBe(ladder);
  expect(ladder?.masterPlaylist('')).toContain('low/low.m3u8');
  expect([channels.names(), stream.readerCount]).toEqual([['cam'], 1]);
  const low = ladder?.open('low', performance.now());
  feed(stream, { fromMs: 6000, toMs: 9100, video: PICTURE });
  const numbers = (text: string | undefined) => text?.match(/^cam_v_\d+\.m4s$/gm)?.at(-1);
  expect(numbers(low?.packager.mediaPlaylist({ query: '', track: 'video' }))).toBe(
    numbers(ladder?.leader.mediaPlaylist({ query: '', track: 'video' })),
  );
  expect(channels.explain('cam', 0)?.tcp?.['segments']).toBeGreaterThan(0);
  expect([channels.stop('cam', true), stream.readerCount, channels.names()]).toEqual([true, 0, []]);
});

test('qualities nobody asks for are let go, and closing lets go of all', async () => {
  const { channels, stream } = setUp();
  const ladder = await channels.openLadder('cam');
  ladder?.open('low', performance.now());
  expect(stream.readerCount).toBe(2);
  channels.sweep(performance.now() + 60_000);
  expect(stream.readerCount).toBe(1);
  channels.sweep(performance.now() + 600_000);
  expect(stream.readerCount).toBe(0);
  await channels.openLadder('cam');
  channels.close();
  expect([stream.readerCount, channels.names()]).toEqual([0, []]);
});

test('there are no qualities of a stream that is not there or has no picture, nor in a transport stream', async () => {
  const { channels, streams } = setUp();
  expect(await channels.openLadder('other')).toBeUndefined();
  const sound = streams.publish('sound', PUBLISHER);
  feed(sound, { fromMs: 0, toMs: 1000, video: undefined, audio: AUDIO });
  expect(await channels.openLadder('sound')).toBeUndefined();
  expect(await setUp({ container: 'ts' }).channels.openLadder('cam')).toBeUndefined();
  const off = { ...fakeRenditions(), enabled: () => false };
  expect(await setUp({}, off).channels.openLadder('cam')).toBeUndefined();
});
