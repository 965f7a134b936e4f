import type { Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Stream } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';
import { VIDEO as H264 } from '../flv/testing/packets.ts';
import { HlsServer } from './server.ts';
import { feed, ManualTicker, PUBLISHER } from './testing/fakes.ts';

const VP8: Track = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const OPUS: Track = { id: 1, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };

let converter: RelabelConverter;
let hub: ReturnType<typeof testHub>;
let ticker: ManualTicker;
let server: HlsServer;
let stream: Stream;

beforeEach(async () => {
  converter = new RelabelConverter();
  hub = testHub(0, converter);
  ticker = new ManualTicker();
  server = new HlsServer({ ...hub, resolvers: [], ticker }, { host: '127.0.0.1', port: 0, startWaitMs: 60_000 });
  await server.start();
  stream = hub.streams.publish('test', PUBLISHER);
});

afterEach(async () => {
  await server.close();
  hub.adaptations.close();
  expect([converter.running, stream.readerCount, stream.viewers]).toEqual([[], 0, 0]);
  hub.streams.close();
});

async function get(file: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${server.port}/test/${file}`);
  return { status: response.status, text: await response.text() };
}

const segmentsOf = (playlist: string): number => playlist.match(/^test_\d+\.m4s$/gm)?.length ?? 0;

describe('a stream of codecs that HLS does not carry', () => {
  test('is converted, and its viewers count as its own', async () => {
    feed(stream, { fromMs: 0, toMs: 1000, video: VP8, audio: OPUS });
    const master = get('index.m3u8');
    await expect.poll(() => server.heldRequests).toBe(1);
    feed(stream, { fromMs: 1000, toMs: 5000, video: VP8, audio: OPUS });
    expect((await master).text).toMatch(/CODECS="avc1[^"]*mp4a/);
    expect(segmentsOf((await get('test.m3u8')).text)).toBeGreaterThan(0);
    expect(stream.viewers).toBe(1);
    expect(converter.running.map(({ target }) => target).sort()).toEqual(['aac', 'h264']);
  });

  test('has its segments and its conversions told of each viewer', async () => {
    feed(stream, { fromMs: 0, toMs: 9000, video: H264, audio: OPUS });
    await get('test.m3u8');
    const [session] = [...hub.sessions.all()];
    const facts = session?.explain?.();
    expect(facts?.tcp).toMatchObject({ segments: 4, targetSeconds: 2 });
    expect(facts?.tcp?.lastRequestAgeMs).toBeLessThan(5000);
    expect(facts?.media).toMatchObject([
      { kind: 'video', delivery: 'as_is', codec: 'h264' },
      { kind: 'audio', delivery: 'converted', codec: 'aac', conversion: { from: 'opus', to: 'aac' } },
    ]);
  });

  test('keeps what can be carried; its segments begin with all that the stream keeps, picture and sound together', async () => {
    feed(stream, { fromMs: 0, toMs: 9000, video: H264, audio: OPUS });
    const playlist = (await get('test.m3u8')).text;
    expect(segmentsOf(playlist)).toBe(4);
    expect(playlist).not.toContain('DISCONTINUITY');
    expect(converter.opened.map(({ target }) => target)).toEqual(['aac']);
  });

  test('goes on with what the next publisher of that name sends', async () => {
    feed(stream, { fromMs: 0, toMs: 5000, video: H264, audio: OPUS });
    await get('test.m3u8');
    hub.streams.unpublish(stream, PUBLISHER, 'gone');
    expect(converter.running).toEqual([]);
    stream = hub.streams.publish('test', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 5000, video: H264, audio: OPUS });
    const playlist = (await get('test.m3u8')).text;
    expect(playlist).toContain('DISCONTINUITY');
    expect(segmentsOf(playlist)).toBe(2);
    expect(converter.running).toHaveLength(1);
  });

  test('is refused in words when the conversion fails', async () => {
    converter.held = true;
    const held = get('test.m3u8');
    await expect.poll(() => server.heldRequests).toBe(1);
    feed(stream, { fromMs: 0, toMs: 600, video: VP8, audio: undefined });
    converter.opened[0]?.fail('the picture is broken');
    ticker.tickIn(1000);
    const answer = await held;
    expect([answer.status, answer.text]).toEqual([415, expect.stringContaining('the picture is broken')]);
  });
});
