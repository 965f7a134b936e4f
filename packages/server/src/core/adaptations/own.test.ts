import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Stream } from '../stream.ts';
import { StreamRegistry } from '../stream-registry.ts';
import { AAC, CLASSIC, feedInto, H264, newPublisher, OPUS, timesOf, watch } from '../testing/adaptation-fixture.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import { Adaptations, type OwnStream } from './adaptations.ts';

let streams: StreamRegistry;
let source: Stream;
let converter: RelabelConverter;
let adaptations: Adaptations;
const publisher = newPublisher();

beforeEach(() => {
  vi.useFakeTimers();
  streams = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  source = streams.publish('s', publisher);
  converter = new RelabelConverter();
  adaptations = new Adaptations({ converter, log: new TestLog(), counters: new TestCounters() });
});

afterEach(() => {
  adaptations.close();
  vi.useRealTimers();
});

const own = (from = 0): OwnStream => adaptations.own(source, CLASSIC, from) as OwnStream;

describe('a derived stream of one reader', () => {
  it('begins with the entry of the log that was asked for, and shares nothing', () => {
    feedInto(source, { video: H264, audio: OPUS }, { from: 0, to: 2000 });
    adaptations.lease(source, CLASSIC);
    const firstTimes = ({ stream: { log } }: OwnStream): (number | undefined)[] =>
      [log.start, log.start + 1].map((at) => log.at(at)?.dtsUs);
    expect(firstTimes(own())).toEqual([0, 0]);
    expect(firstTimes(own(50))).toEqual([1_000_000, 1_000_000]);
    expect(converter.running).toHaveLength(3);
  });

  it('gets what its conversion owes after the source is over', async () => {
    converter.held = true;
    const stream = own();
    const seen = watch(stream);
    feedInto(source, { video: H264, audio: OPUS }, { from: 0, to: 400 });
    const finished = stream.finish(1000);
    expect(source.readerCount).toBe(0);
    streams.unpublish(source, publisher, 'gone');
    expect(seen.ended).toBeUndefined();
    converter.opened[0]?.release();
    await vi.advanceTimersByTimeAsync(200);
    expect(await finished).toBe(true);
    expect(timesOf(seen, 'audio').at(-1)).toBe(360);
    stream[Symbol.dispose]();
    expect(seen.ended).toBe('nobody reads it');
    expect(timesOf(seen, 'video')).toHaveLength(10);
    expect(converter.running).toEqual([]);
    expect(adaptations.size).toBe(0);
  });

  it('waits no longer than it is told to for a conversion that gives nothing', async () => {
    converter.held = true;
    const stream = own();
    feedInto(source, { video: H264, audio: OPUS }, { from: 0, to: 400 });
    let whole: boolean | undefined;
    void stream.finish(1000).then((result) => {
      whole = result;
    });
    await vi.advanceTimersByTimeAsync(999);
    converter.opened[0]?.release(1);
    await vi.advanceTimersByTimeAsync(999);
    expect(whole).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(whole).toBe(false);
    stream[Symbol.dispose]();
  });

  it('is finished at once when nothing is owed', async () => {
    const stream = own();
    feedInto(source, { video: H264, audio: AAC }, { from: 0, to: 400 });
    await stream.finish(1000);
    stream[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends with its disposal in the middle of finishing', async () => {
    converter.held = true;
    const stream = own();
    feedInto(source, { video: H264, audio: OPUS }, { from: 0, to: 400 });
    const finished = stream.finish(1000);
    stream[Symbol.dispose]();
    await finished;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not there where nothing is converted', () => {
    const without = new Adaptations({ converter: undefined, log: new TestLog(), counters: new TestCounters() });
    expect(without.own(source, CLASSIC, 0)).toBeUndefined();
  });
});
