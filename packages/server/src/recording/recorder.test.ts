import { fileURLToPath } from 'node:url';
import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RelabelConverter } from '../core/testing/relabel-converter.ts';
import { parseFormats } from './policy.ts';
import { parseRotation } from './rotation.ts';
import {
  type FixtureOptions,
  filesIn,
  moved,
  type ProbedPacket,
  packetsOf,
  probe,
  type RecordingFixture,
  recordingFixture,
  until,
} from './testing/recording-fixture.ts';

const DEMO = fileURLToPath(new URL('../../../../assets/demo.mp4', import.meta.url));
const SECOND = 1_000_000;

let demo: MediaPacket[];
let fixture: RecordingFixture;

beforeAll(async () => {
  demo = await packetsOf(DEMO);
});

afterEach(() => fixture.close());

async function start(options: FixtureOptions = {}): Promise<void> {
  fixture = await recordingFixture(options);
}

type Times = { readonly ptsUs: number; readonly dtsUs: number };

/** The same times, but for what rounding to the ticks of a container may do. */
function expectTimes(read: readonly Times[], sent: readonly Times[], baseUs: number): void {
  expect(read).toHaveLength(sent.length);
  for (const [i, { dtsUs, ptsUs }] of sent.entries()) {
    expect(Math.abs((read[i]?.dtsUs ?? 0) - (dtsUs - baseUs))).toBeLessThan(1000);
    expect(Math.abs((read[i]?.ptsUs ?? 0) - (ptsUs - baseUs))).toBeLessThan(1000);
  }
}

const ofKind = <T extends MediaPacket | ProbedPacket>(packets: readonly T[], kind: string): T[] =>
  packets.filter((packet) => ('track' in packet ? packet.track.kind : packet.kind) === kind);
const video = <T extends MediaPacket | ProbedPacket>(packets: readonly T[]): T[] => ofKind(packets, 'video');
const audio = <T extends MediaPacket | ProbedPacket>(packets: readonly T[]): T[] => ofKind(packets, 'audio');
const earliest = (packets: readonly Times[]): number => Math.min(...packets.map(({ dtsUs }) => dtsUs));
const until4s = (packets: readonly MediaPacket[]): MediaPacket[] => packets.filter(({ dtsUs }) => dtsUs < 4 * SECOND);

function trackOf(kind: 'video' | 'audio'): Track {
  return (demo.find(({ track }) => track.kind === kind) as MediaPacket).track;
}

const parts = (): readonly ProbedPacket[][] => probed;
let probed: ProbedPacket[][] = [];

/** What is in the files that were ended, in their order. */
async function probeAll(): Promise<void> {
  await until(() => fixture.completed.length > 0, 'a file is complete');
  const partOf = ({ id }: { id: string }): number => fixture.server.entry(id)?.part ?? 0;
  const inOrder = fixture.completed.toSorted((one, other) => partOf(one) - partOf(other));
  probed = await Promise.all(inOrder.map(async ({ path }) => [...(await probe(path))]));
}

describe('a recording', () => {
  it('has each packet of the publication once, in order and at its time', async () => {
    await start();
    const publication = fixture.publish('s');
    publication.send(demo);
    publication.end();
    expect(await fixture.server.settled(publication.mediaSessionId)).toBe('s.mp4');
    await probeAll();
    for (const kind of ['video', 'audio']) {
      expectTimes(ofKind(parts()[0] ?? [], kind), ofKind(demo, kind), earliest(demo));
    }
    expect(fixture.server.entries()).toMatchObject([{ state: 'complete', lostPackets: 0, gaps: [], part: 1 }]);
    expect(publication.events.map(({ type }) => type)).toEqual([
      'recordingStarted',
      'recordingStopped',
      'recordingCompleted',
    ]);
  });

  it('lets go of its stream at once when the publisher leaves', async () => {
    await start();
    const publication = fixture.publish('s');
    publication.send(until4s(demo));
    publication.end();
    expect(publication.stream.readerCount).toBe(0);
    expect(publication.stream.ended).toBe(true);
  });

  it('of less than its first wait is there all the same', async () => {
    await start();
    const publication = fixture.publish('s');
    const sent = video(demo).filter(({ dtsUs }) => dtsUs < SECOND / 2);
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expectTimes(parts()[0] ?? [], sent, earliest(sent));
  });

  it('of a publication that sends nothing is no file', async () => {
    await start();
    const publication = fixture.publish('s');
    publication.end();
    expect(fixture.server.settled(publication.mediaSessionId)).toBeUndefined();
    expect(fixture.server.entries()).toEqual([]);
  });

  it('that is started later begins at the newest key frame', async () => {
    await start();
    const publication = fixture.publish('s', { wanted: false });
    const sent = until4s(demo);
    publication.send(sent);
    await fixture.server.start(publication.mediaSessionId);
    await fixture.server.stop(publication.mediaSessionId);
    publication.end();
    await probeAll();
    const key = video(sent).findLast((packet) => packet.key) as MediaPacket;
    const expected = video(sent).filter(({ dtsUs }) => dtsUs >= key.dtsUs);
    expect(video(parts()[0] ?? [])).toHaveLength(expected.length);
  });

  it('that is started again ends its file and begins another one', async () => {
    await start();
    const publication = fixture.publish('s');
    publication.send(until4s(demo));
    await fixture.server.start(publication.mediaSessionId, { fileTemplate: 'again' });
    publication.end();
    await until(() => fixture.completed.length === 2, 'both files are complete');
    expect(fixture.server.entries().map(({ fileName }) => fileName)).toEqual(['again.mp4', 's.mp4']);
  });

  it.each([
    ['a rotation that is none', { rotation: '10 parsecs' }],
    ['an empty name', { fileTemplate: ' ' }],
  ])('is refused with %s', async (_what, config) => {
    await start();
    const publication = fixture.publish('s', { wanted: false });
    const started = fixture.server.start(publication.mediaSessionId, config);
    await expect(started).rejects.toMatchObject({ code: 'RECORDING_CONFIG_INVALID' });
  });

  it('is refused for what is not published, beyond the limit, and where the settings forbid it', async () => {
    await start({ options: { maxActive: 1 } });
    fixture.publish('one');
    const two = fixture.publish('two', { wanted: false });
    for (const fileTemplate of ['', '/', '../..', 'x'.repeat(1025)])
      await expect(fixture.server.start(two.mediaSessionId, { fileTemplate })).rejects.toMatchObject({
        code: 'RECORDING_CONFIG_INVALID',
      });
    await expect(fixture.server.start('nobody')).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    await expect(fixture.server.start(two.mediaSessionId)).rejects.toMatchObject({ code: 'RECORDING_LIMIT' });
    await expect(fixture.server.stop(two.mediaSessionId)).rejects.toMatchObject({ code: 'RECORDING_NOT_FOUND' });
    await fixture.close();
    await start({ options: { enabled: false } });
    const three = fixture.publish('three');
    expect(fixture.server.of(three.mediaSessionId)).toBeUndefined();
    await expect(fixture.server.start(three.mediaSessionId)).rejects.toMatchObject({ code: 'RECORDING_DISABLED' });
  });
});

describe('a new file', () => {
  it('begins at the next key frame after the time of rotation, and no packet is lost or twice', async () => {
    await start({ options: { rotation: parseRotation('3') } });
    const publication = fixture.publish('s');
    publication.send(demo);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(parts().length).toBeGreaterThan(1);
    expect(parts().flatMap(video)).toHaveLength(video(demo).length);
    expect(parts().flatMap(audio)).toHaveLength(audio(demo).length);
    for (const part of parts()) expect(video(part)[0]?.key).toBe(true);
    const names = fixture.server.entries().map(({ fileName }) => fileName);
    expect(names.reverse()).toEqual(parts().map((_part, i) => `s_${i + 1}.mp4`));
  });

  it('begins when so many bytes are there', async () => {
    await start({ options: { rotation: { afterUs: Number.POSITIVE_INFINITY, afterBytes: 500_000 } } });
    const publication = fixture.publish('s');
    publication.send(demo);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    const sizes = parts().map((part) => part.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(sizes.length).toBeGreaterThan(2);
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(450_000);
  });

  it('of sound alone begins at any packet', async () => {
    await start({ options: { rotation: parseRotation('1') } });
    const publication = fixture.publish('s');
    const sent = audio(until4s(demo));
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(parts().length).toBeGreaterThanOrEqual(4);
    expect(parts().flat()).toHaveLength(sent.length);
  });

  it('of sound alone has its beginning, however little is kept for a picture to come', async () => {
    await start({ options: { audioBufferPackets: 10 } });
    const publication = fixture.publish('s');
    const sent = audio(until4s(demo));
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expectTimes(parts()[0] ?? [], sent, earliest(sent));
  });

  it('begins with sound that comes late, none of which is lost', async () => {
    await start();
    const publication = fixture.publish('s');
    const sent = demo.filter(({ track, dtsUs }) => track.kind === 'video' || dtsUs > 3 * SECOND);
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(parts()).toHaveLength(2);
    expect(audio(parts()[0] ?? [])).toEqual([]);
    expect(audio(parts()[1] ?? [])).toHaveLength(audio(sent).length);
    expect(parts().flatMap(video)).toHaveLength(video(sent).length);
    expect(fixture.server.entries().map(({ fileName }) => fileName)).toEqual(['s_2.mp4', 's.mp4']);
    expect(fixture.server.entries().map(({ lostPackets }) => lostPackets)).toEqual([0, 0]);
    expect(publication.keyFramesAsked()).toBeGreaterThan(0);
  });

  it('begins with another configuration of the sound', async () => {
    await start();
    const publication = fixture.publish('s');
    const mono: Track = { ...trackOf('audio'), parameters: [Uint8Array.of(0x11, 0x88)] };
    const sent = [...until4s(demo), ...moved(until4s(demo), 4.1 * SECOND, new Map([[trackOf('audio'), mono]]))];
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(parts()).toHaveLength(2);
    expect(parts().flatMap(audio)).toHaveLength(audio(sent).length);
    expect(parts().flatMap(video)).toHaveLength(video(sent).length);
  });

  it('begins with another codec, in its own container', async () => {
    await start();
    const publication = fixture.publish('s');
    const vp8: Track = { ...trackOf('video'), codec: 'vp8', parameters: [] };
    const second = moved(video(until4s(demo)), 4 * SECOND, new Map([[trackOf('video'), vp8]]));
    // A key frame of VP8 tells its size (RFC 6386 §9.1).
    const pictures = second.map((packet) => ({
      ...packet,
      units: [Uint8Array.of(packet.key ? 0x10 : 0x11, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0)],
      byteLength: 10,
    }));
    publication.send([...video(until4s(demo)), ...pictures]);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(fixture.server.entries().map(({ container }) => container)).toEqual(['webm', 'mp4']);
    expect(parts().map(({ length }) => length)).toEqual([video(until4s(demo)).length, pictures.length]);
  });

  it('does not begin with other parameter sets of the same codec: they go into the key frames', async () => {
    await start();
    const publication = fixture.publish('s');
    const track = trackOf('video');
    const [sps, ...rest] = track.parameters as [Uint8Array, ...Uint8Array[]];
    const changed: Track = { ...track, parameters: [Uint8Array.from([...sps]), ...rest, Uint8Array.of(0x68, 1, 2, 3)] };
    const sent = [...until4s(demo), ...moved(until4s(demo), 4 * SECOND, new Map([[track, changed]]))];
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(parts()).toHaveLength(1);
    expect(video(parts()[0] ?? [])).toHaveLength(video(sent).length);
  });

  it('of each media session is numbered from 1', async () => {
    await start({ options: { rotation: parseRotation('3') } });
    for (let i = 0; i < 2; i++) {
      const publication = fixture.publish('s');
      publication.send(demo);
      publication.end();
      await fixture.server.settled(publication.mediaSessionId);
    }
    const numbers = (id: string): number[] =>
      fixture.server.entries().flatMap(({ mediaSessionId, part }) => (mediaSessionId === id ? [part] : []));
    expect(numbers('session-1').length).toBeGreaterThan(1);
    expect(numbers('session-2')).toEqual(numbers('session-1'));
    expect(numbers('session-2').at(-1)).toBe(1);
  });
});

describe('a stream that its container does not hold', () => {
  const opus = (packets: readonly MediaPacket[]): MediaPacket[] => {
    const head = Uint8Array.from(Buffer.from('4f707573486561640102380180bb0000000000', 'hex'));
    return moved(packets, 0, new Map([[trackOf('audio'), { ...trackOf('audio'), codec: 'opus', parameters: [head] }]]));
  };

  it('is converted from its first packet to its last', async () => {
    const converter = new RelabelConverter();
    await start({ converter });
    const publication = fixture.publish('s');
    const sent = opus(demo);
    publication.send(sent);
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(audio(parts()[0] ?? [])).toHaveLength(audio(sent).length);
    expect(video(parts()[0] ?? [])).toHaveLength(video(sent).length);
    expect(converter.opened[0]?.wanted).toMatchObject({ codec: 'aac', sampleRate: 44_100, channels: 2 });
    expect(converter.running).toEqual([]);
  });

  it('gets what the conversion owes when the publisher leaves, without holding the stream', async () => {
    const converter = new RelabelConverter();
    converter.held = true;
    await start({ converter });
    const publication = fixture.publish('s');
    const sent = opus(until4s(demo));
    publication.send(sent);
    const [conversion] = converter.opened;
    conversion?.release(50);
    publication.end();
    expect(publication.stream.ended).toBe(true);
    conversion?.release();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(audio(parts()[0] ?? [])).toHaveLength(audio(sent).length);
    expect(video(parts()[0] ?? [])).toHaveLength(video(sent).length);
  });

  it('is recorded without its sound when that can not be converted, and its file says so', async () => {
    const converter = new RelabelConverter();
    converter.unknown.add('opus');
    await start({ converter });
    const publication = fixture.publish('s');
    publication.send(opus(until4s(demo)));
    publication.end();
    await fixture.server.settled(publication.mediaSessionId);
    await probeAll();
    expect(video(parts()[0] ?? [])).toHaveLength(video(until4s(demo)).length);
    expect(fixture.completed[0]?.end.remark).toContain('without its sound');
  });

  it('goes to MPEG-TS and to Matroska as it is, where the settings say so', async () => {
    for (const container of ['ts', 'mkv'] as const) {
      await start({ options: { formats: parseFormats(`h264-${container}`, false) } });
      const publication = fixture.publish('s');
      publication.send(until4s(demo));
      publication.end();
      expect(await fixture.server.settled(publication.mediaSessionId)).toBe(`s.${container}`);
      await probeAll();
      expect(video(parts()[0] ?? [])).toHaveLength(video(until4s(demo)).length);
      expect(audio(parts()[0] ?? [])).toHaveLength(audio(until4s(demo)).length);
      if (container === 'ts') await fixture.close();
    }
  });
});

describe('200 recordings that begin and end at the same time', () => {
  it('leave no reader, no timer and no file of theirs behind', async () => {
    await start();
    const publications = Array.from({ length: 200 }, (_, i) => fixture.publish(`s${i}`));
    for (const publication of publications) publication.send(until4s(demo).slice(0, 60));
    expect(fixture.server.running()).toHaveLength(200);
    for (const publication of publications) publication.end();
    for (const { mediaSessionId } of publications) await fixture.server.settled(mediaSessionId);
    expect(fixture.completed).toHaveLength(200);
    expect(fixture.server.running()).toEqual([]);
    expect(fixture.server.backlog().unwrittenBytes).toBe(0);
    expect(publications.reduce((sum, { stream }) => sum + stream.readerCount, 0)).toBe(0);
    expect((await filesIn('/proc/self/fd')).length).toBeLessThan(100);
  });
});

describe('several streams in one file', () => {
  const URI = 'multi-recorder://test-record';

  it('are written each to its own file, with the time when it came', async () => {
    await start();
    const one = fixture.publish('one', { wanted: false });
    const two = fixture.publish('two', { wanted: false });
    await fixture.server.startMultiple(URI);
    await fixture.server.addToMultiple(URI, one.mediaSessionId);
    one.send(until4s(demo));
    await fixture.server.addToMultiple(URI, two.mediaSessionId);
    two.send(until4s(demo));
    expect(fixture.server.multiple()).toEqual([
      { uri: URI, mediaSessionIds: ['session-1', 'session-2'], fileName: 'multi-recorder___test-record.mp4' },
    ]);
    await fixture.server.removeFromMultiple(URI, one.mediaSessionId);
    two.end();
    await fixture.server.stopMultiple(URI);
    const id = fixture.completed[0]?.id ?? '';
    const members = fixture.ledger.get(id)?.members ?? [];
    expect(members.map(({ mediaSessionId }) => mediaSessionId)).toEqual(['session-1', 'session-2']);
    for (const { tempPath, offsetUs } of members) {
      expect(video([...(await probe(tempPath))])).toHaveLength(video(until4s(demo)).length);
      expect(offsetUs).toBeGreaterThanOrEqual(0);
    }
    expect(one.stream.readerCount).toBe(0);
  });

  it('are refused when the address is none, runs already or is unknown', async () => {
    await start();
    const { server } = fixture;
    await expect(server.startMultiple('file://x')).rejects.toMatchObject({ code: 'RECORDING_CONFIG_INVALID' });
    await server.startMultiple(URI);
    await expect(server.startMultiple(URI)).rejects.toMatchObject({ code: 'RECORDING_BUSY' });
    await expect(server.addToMultiple(URI, 'nobody')).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    await expect(server.removeFromMultiple(URI, 'nobody')).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    await expect(server.stopMultiple('multi-recorder://no')).rejects.toMatchObject({ code: 'RECORDING_NOT_FOUND' });
  });
});
