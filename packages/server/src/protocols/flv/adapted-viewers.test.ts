import type { Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stream } from '../../core/index.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';
import { FlvFixture } from './testing/flv-fixture.ts';
import { PUBLISHER, packet } from './testing/packets.ts';
import type { HttpViewer } from './testing/viewers.ts';

const VP8: Track = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const OPUS: Track = { id: 1, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };

let converter: RelabelConverter;
let fixture: FlvFixture;
let stream: Stream;

beforeEach(async () => {
  converter = new RelabelConverter();
  fixture = await FlvFixture.start({}, { converter });
  stream = fixture.hub.streams.publish('cam', PUBLISHER);
  feed(0, 400);
});

afterEach(async () => {
  await fixture.close();
  expect(converter.running).toEqual([]);
});

function feed(fromMs: number, toMs: number): void {
  for (let ms = fromMs; ms < toMs; ms += 40) {
    stream.publish(packet(VP8, ms, { key: ms === 0 }));
    stream.publish(packet(OPUS, ms));
  }
}

/** First bytes of the tags of pictures and of sound: they tell the codec (Adobe FLV 10.1 §E.4). */
async function firstBytes(viewer: HttpViewer): Promise<(number | undefined)[]> {
  const of = (type: number) => viewer.tags.find((tag) => tag.type === type)?.data[0];
  await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(8));
  return [of(9), of(8)];
}

describe('an FLV viewer of a stream with VP8 and Opus', () => {
  it('gets H.264 and AAC, announced in the header', async () => {
    const viewer = await fixture.view('/flv/cam.flv');
    expect(await firstBytes(viewer)).toEqual([0x17, 0xaf]);
    expect(viewer.header).toEqual({ video: true, audio: true });
    expect(viewer.summary).toMatch(/^m0 vc0 ac0 V0 a0 v40 a40 v80 /);
    expect(stream.viewers).toBe(1);
  });

  it('gets as it is what its URL names', async () => {
    expect(await firstBytes(await fixture.view('/flv/cam.flv?codecs=opus'))).toEqual([0x17, 0x91]);
    expect(converter.opened.map(({ target }) => target)).toEqual(['h264']);
    const all = await fixture.view('/flv/cam.flv?codecs=all');
    expect((await firstBytes(all)).map((byte) => (byte ?? 0) & 0x80)).toEqual([0x80, 0x80]);
    expect(converter.opened).toHaveLength(1);
  });

  it('has nothing converted for it that it does not want', async () => {
    const sound = await fixture.view('/flv/cam.flv?video=0');
    feed(400, 800);
    await vi.waitFor(() => expect(sound.tags.length).toBeGreaterThan(5));
    expect(converter.opened.map(({ target }) => target)).toEqual(['aac']);
    expect(sound.header).toEqual({ video: false, audio: true });
  });

  it('is refused when nothing can be converted, and when its list of codecs names none', async () => {
    expect((await fixture.refusal('/flv/cam.flv?codecs=mp3')).status).toBe(400);
    converter.unknown.add('vp8').add('opus');
    expect((await fixture.refusal('/flv/cam.flv')).status).toBe(415);
    converter.unknown.delete('opus');
    const viewer = await fixture.view('/flv/cam.flv');
    feed(400, 800);
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(5));
    expect(viewer.header).toEqual({ video: false, audio: true });
  });
});

describe('what is told of an FLV viewer', () => {
  it('is what it gets, by which conversion, and what it did not ask for', async () => {
    const viewer = await fixture.view('/flv/cam.flv?audio=0');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(5));
    const [session] = [...fixture.hub.sessions.all()];
    const facts = session?.explain?.();
    expect(facts?.tcp).toMatchObject({ queuedBytes: 0, secure: false, blockedMs: 0 });
    expect(facts?.media).toMatchObject([
      { kind: 'video', delivery: 'converted', codec: 'h264', conversion: { from: 'vp8', to: 'h264' } },
      { kind: 'audio', delivery: 'absent', reason: 'the viewer asked for it to be left out' },
    ]);
  });
});
