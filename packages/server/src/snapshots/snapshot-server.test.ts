import { describe, expect, it } from 'vitest';
import type { SnapshotRequest } from '../core/index.ts';
import { AAC, feedInto, H264, packet } from '../core/testing/adaptation-fixture.ts';
import { askable, newScene, until } from './testing/scene.ts';

const never = () => new AbortController().signal;
const wanting = (more: Partial<SnapshotRequest> = {}): SnapshotRequest => ({
  ...{ streamName: 's', format: 'png', which: 'newest', signal: never(), ...more },
});
const FILE = Uint8Array.of(1, 2, 3);
const times = (packets: readonly { dtsUs: number }[] | undefined) => packets?.map(({ dtsUs }) => dtsUs / 1000);

describe('a snapshot', { timeout: 60_000 }, () => {
  it('is made of all pictures since the newest key frame, or of that alone', async () => {
    const { publish, snapshots, pictures, counters } = newScene();
    pictures.answer = () => FILE;
    feedInto(publish('s'), { video: H264, audio: AAC }, { from: 0, to: 2160, gop: 1000 });
    expect(await snapshots.take(wanting({ width: 320 }))).toEqual(FILE);
    await snapshots.take(wanting({ which: 'key' }));
    expect(times(pictures.asked[0]?.packets)).toEqual([2000, 2040, 2080, 2120]);
    expect(pictures.asked[0]?.form).toMatchObject({ format: 'png', width: 320 });
    expect(times(pictures.asked[1]?.packets)).toEqual([2000]);
    expect(counters.of('snapshots_taken')).toBe(2);
  });

  it('is made of all that came since a key frame that is not enough alone', async () => {
    const { publish, snapshots, pictures } = newScene();
    pictures.answer = ({ length }) => (length < 2 ? new Error('no picture') : FILE);
    feedInto(publish('s'), { video: H264 }, { from: 0, to: 120 });
    expect(await snapshots.take(wanting({ which: 'key' }))).toEqual(FILE);
    expect(pictures.asked.map(({ packets }) => packets.length)).toEqual([1, 3]);
  });

  it('is made of a bounded number of pictures when a key frame is long ago', async () => {
    const { publish, snapshots, pictures } = newScene();
    pictures.answer = () => FILE;
    const stream = publish('s');
    for (let ms = 0; ms < 6000; ms++) stream.publish(packet(H264, ms, { key: ms === 0 }));
    await snapshots.take(wanting());
    expect(pictures.asked[0]?.packets).toHaveLength(2000);
  });

  it('can not be had of a stream that is not there, and says so', async () => {
    const { snapshots } = newScene();
    await expect(snapshots.take(wanting())).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
  });

  it('waits for the first key frame, asks for it, and leaves no reader behind', async () => {
    const { publish, snapshots, pictures } = newScene();
    pictures.answer = () => FILE;
    const publisher = askable(() => {});
    const stream = publish('s', publisher);
    const taken = snapshots.take(wanting());
    stream.publish(packet(AAC, 0));
    stream.publish(packet(H264, 10));
    expect([stream.readerCount, publisher.keyFramesAsked]).toEqual([1, 1]);
    stream.publish(packet(H264, 50, { key: true }));
    expect(await taken).toEqual(FILE);
    expect(times(pictures.asked[0]?.packets)).toEqual([50]);
    expect([stream.readerCount, snapshots.pending]).toEqual([0, 0]);
  });

  it('fails when none comes in the time that the settings give it', async () => {
    const { publish, snapshots, counters } = newScene({ takingIntervalMs: 20, takingAttempts: 3 });
    const stream = publish('s');
    const startMs = performance.now();
    const message = 'no picture of stream "s": no key frame came in 60 ms';
    await expect(snapshots.take(wanting())).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED', message });
    expect(performance.now() - startMs).toBeGreaterThan(55);
    expect([stream.readerCount, counters.of('snapshots_failed')]).toEqual([0, 1]);
  });

  it('fails at once for a stream of sound alone, or as soon as that is clear', async () => {
    const { publish, snapshots } = newScene();
    const stream = publish('s');
    const failure = { code: 'SNAPSHOT_FAILED', message: 'no picture of stream "s": it has sound alone' };
    const early = expect(snapshots.take(wanting())).rejects.toMatchObject(failure);
    for (let ms = 0; ms <= 3000; ms += 20) stream.publish(packet(AAC, ms));
    await early;
    await expect(snapshots.take(wanting({ which: 'key' }))).rejects.toMatchObject(failure);
    expect(stream.readerCount).toBe(0);
  });

  it('fails when the stream ends before a picture came', async () => {
    const { publish, snapshots, streams } = newScene();
    const stream = publish('s');
    const failed = expect(snapshots.take(wanting())).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    streams.end(stream, 'over');
    await failed;
  });

  it('has a source asked for a key frame whose newest one is old, and waits a moment for it', async () => {
    const { publish, snapshots, pictures } = newScene();
    pictures.answer = () => FILE;
    const publisher = askable(() => queueMicrotask(() => stream.publish(packet(H264, 3040, { key: true }))));
    const stream = publish('s', publisher);
    feedInto(stream, { video: H264 }, { from: 0, to: 3000, gop: 100_000 });
    await snapshots.take(wanting());
    expect(times(pictures.asked[0]?.packets)).toEqual([3040]);
    await snapshots.take(wanting());
    expect(publisher.keyFramesAsked).toBe(1);
  });

  it('is made of what there is when no newer key frame comes', async () => {
    const { publish, snapshots, pictures } = newScene();
    pictures.answer = () => FILE;
    feedInto(
      publish(
        's',
        askable(() => {}),
      ),
      { video: H264 },
      { from: 0, to: 3000, gop: 100_000 },
    );
    await snapshots.take(wanting());
    expect(pictures.asked[0]?.packets).toHaveLength(75);
  });

  it('has an old key frame renewed for those who come later, and does not wait for that', async () => {
    const { publish, snapshots, pictures } = newScene();
    pictures.answer = () => FILE;
    const publisher = askable(() => {});
    const stream = publish('s', publisher);
    feedInto(stream, { video: H264 }, { from: 0, to: 9000, gop: 100_000 });
    await snapshots.take(wanting({ which: 'key' }));
    expect(publisher.keyFramesAsked).toBe(0);
    for (let ms = 9000; ms < 12_000; ms += 40) stream.publish(packet(H264, ms));
    await snapshots.take(wanting({ which: 'key' }));
    expect(publisher.keyFramesAsked).toBe(1);
  });
});

describe('many snapshots', { timeout: 60_000 }, () => {
  it('share one when they are the same and asked for at the same time', async () => {
    const { publish, snapshots, pictures, counters } = newScene();
    feedInto(publish('s'), { video: H264 }, { from: 0, to: 200 });
    const taken = Array.from({ length: 1000 }, () => snapshots.take(wanting()));
    const other = snapshots.take(wanting({ width: 10 }));
    await until(() => pictures.asked.length === 2, 'two are made');
    for (const { settle } of pictures.asked) settle(FILE);
    expect(await Promise.all([...taken, other])).toHaveLength(1001);
    expect([pictures.asked.length, counters.of('snapshots_taken'), snapshots.pending]).toEqual([2, 2, 0]);
  });

  it('are refused when more would wait than the settings allow', async () => {
    const { publish, snapshots, pictures } = newScene({ maxPending: 3 });
    feedInto(publish('s'), { video: H264 }, { from: 0, to: 200 });
    const taken = [1, 2, 3].map((width) => snapshots.take(wanting({ width })));
    await expect(snapshots.take(wanting({ width: 4 }))).rejects.toMatchObject({ code: 'SNAPSHOT_LIMIT' });
    await until(() => pictures.asked.length === 3, 'they are made');
    for (const { settle } of pictures.asked) settle(FILE);
    await Promise.all(taken);
    pictures.answer = () => FILE;
    expect(await snapshots.take(wanting({ width: 4 }))).toEqual(FILE);
  });

  it('are given up when nobody waits for them any more, and not before', async () => {
    const { publish, snapshots, pictures, counters } = newScene();
    feedInto(publish('s'), { video: H264 }, { from: 0, to: 200 });
    const [one, two] = [new AbortController(), new AbortController()];
    const taken = [one, two].map(({ signal }) => snapshots.take(wanting({ signal })));
    const left = taken.map((each) => expect(each).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' }));
    await until(() => pictures.asked.length === 1, 'it is made');
    one.abort();
    await left[0];
    expect(pictures.asked[0]?.signal.aborted).toBe(false);
    two.abort();
    await left[1];
    expect(pictures.asked[0]?.signal.aborted).toBe(true);
    // One who comes just then gets a new one.
    pictures.answer = () => FILE;
    expect(await snapshots.take(wanting())).toEqual(FILE);
    await until(() => snapshots.pending === 0, 'nothing is left');
    expect(counters.of('snapshots_failed')).toBe(0);
  });

  it('fail when the server stops', async () => {
    const { publish, snapshots } = newScene();
    const stream = publish('s');
    const failed = expect(snapshots.take(wanting())).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    await snapshots.close();
    await failed;
    await expect(snapshots.take(wanting())).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expect([stream.readerCount, snapshots.pending]).toEqual([0, 0]);
  });
});
