import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Publisher, Stream } from '../../core/index.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';
import type { TestClient } from './testing/client.ts';
import { RtmpRig } from './testing/rig.ts';
import { MESSAGE } from './wire/chunk-writer.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const OPUS: Track = { id: 1, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };
const PUBLISHER: Publisher = { sessionId: 'test', close: () => {} };
/** First byte of AAC in FLV (Adobe FLV 10.1 §E.4.2), and of sound in the enhanced form (Enhanced RTMP v2). */
const AAC_BYTE = 0xaf;
const ENHANCED = 9;

let converter: RelabelConverter;
let rig: RtmpRig;
let stream: Stream;

beforeEach(async () => {
  converter = new RelabelConverter();
  rig = await RtmpRig.start({}, 0, converter);
  stream = rig.hub.streams.publish('cam', PUBLISHER);
});

afterEach(async () => {
  await rig.close();
  expect(converter.running).toEqual([]);
});

function packet(track: Track, ms: number, key = true): MediaPacket {
  const unit = new Uint8Array(20).fill(0x65);
  return { track, units: [unit], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: 20 };
}

function feed(fromMs: number, toMs: number): void {
  for (let ms = fromMs; ms < toMs; ms += 20) {
    stream.publish(packet(VIDEO, ms, ms === fromMs));
    stream.publish(packet(OPUS, ms));
  }
}

async function player(extra: Parameters<typeof TestClient.connect>[2] = {}): Promise<TestClient> {
  const made = await rig.client('live', extra);
  await made.play('cam');
  return made;
}

const nextAudio = (from: TestClient) =>
  from.until((message) => message.type === MESSAGE.audio && message.payload[1] !== 0);

describe('an RTMP player of a stream with Opus', () => {
  it('gets AAC when it announces nothing, with the picture as it is', async () => {
    feed(0, 100);
    const classic = await player();
    expect((await nextAudio(classic)).payload[0]).toBe(AAC_BYTE);
    const picture = await classic.until((message) => message.type === MESSAGE.video && message.payload[1] === 1);
    expect(picture.timestamp).toBe(0);
    expect(converter.opened.map(({ target }) => target)).toEqual(['aac']);
  });

  it('gets Opus when it announces that, and nothing is converted', async () => {
    feed(0, 100);
    const enhanced = await player({ fourCcList: ['Opus'] });
    const sound = await nextAudio(enhanced);
    expect([(sound.payload[0] ?? 0) >> 4, Buffer.from(sound.payload.subarray(1, 5)).toString()]).toEqual([
      ENHANCED,
      'Opus',
    ]);
    expect(converter.opened).toEqual([]);
  });

  it('shares the conversion with the others, and counts as a viewer of the stream', async () => {
    feed(0, 100);
    const players = [await player(), await player(), await player({ fourCcList: ['hvc1'] })];
    for (const one of players) await nextAudio(one);
    expect(converter.opened).toHaveLength(1);
    expect(stream.viewers).toBe(3);
    await players[0]?.close();
    await vi.waitFor(() => expect(stream.viewers).toBe(2));
  });

  it('is told in the log what is left out, and plays on with the picture', async () => {
    converter.unknown.add('opus');
    feed(0, 100);
    const classic = await player();
    await classic.until((message) => message.type === MESSAGE.video);
    expect(rig.hub.log.lines.map(({ message }) => message)).toContain(
      'audio is left out: Opus can not be converted here',
    );
  });

  it('plays on through a change to a codec that it takes', async () => {
    feed(0, 100);
    const classic = await player();
    await nextAudio(classic);
    stream.publish(packet({ ...OPUS, codec: 'speex', clockRate: 16_000 }, 100));
    await classic.until((message) => message.type === MESSAGE.audio && (message.payload[0] ?? 0) >> 4 === 11);
    expect(converter.running).toEqual([]);
  });
});
