import { type MediaPacket, type Track, vp8Track } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import type { Conversion } from '../core/index.ts';
import { TestCounters } from '../core/testing/hub.ts';
import { Feed, type OutputOrder } from './feed.ts';
import { FeedBacklog } from './feed-backlog.ts';
import { FeedMember } from './feed-member.ts';
import { DEFAULT_ENGINE_OPTIONS } from './options.ts';
import { packetOf } from './testing/clips.ts';
import { until } from './testing/run.ts';
import { PACKET, TAKEN } from './wire.ts';
import type { WorkerProcess } from './worker-process.ts';

const TRACK: Track = vp8Track(0);
const FRAME_MS = 1000 / 30;

function packet(index: number, key = index % 30 === 0): MediaPacket {
  const timeUs = Math.round(index * FRAME_MS * 1000);
  return packetOf(TRACK, [new Uint8Array(10)], { ptsUs: timeUs, dtsUs: timeUs, key });
}

/** Seconds until it is found overloaded when a worker takes this share of the time for what comes; up to a minute. */
function secondsUntilOverload(busyShare: number): number | undefined {
  const backlog = new FeedBacklog();
  let freeMs = 0;
  for (let index = 0; index < 60 * 30; index++) {
    const nowMs = index * FRAME_MS;
    backlog.push(packet(index), nowMs);
    while (backlog.next());
    for (freeMs = Math.max(freeMs, nowMs - FRAME_MS); freeMs < nowMs && backlog.length > 0; backlog.taken(1)) {
      freeMs += FRAME_MS * busyShare;
      while (backlog.next());
    }
    if (backlog.isOverloaded(nowMs)) return nowMs / 1000;
  }
  return undefined;
}

describe('the backlog of a feed', () => {
  test('lets a worker have few packets at once', () => {
    const backlog = new FeedBacklog();
    for (let index = 0; index < 30; index++) backlog.push(packet(index), 0);
    let given = 0;
    while (backlog.next()) given++;
    expect(given).toBe(16);
    backlog.taken(3);
    while (backlog.next()) given++;
    expect([given, backlog.length]).toEqual([19, 27]);
  });

  test('is no overload while the worker keeps up, and one within seconds when it does not', () => {
    expect(secondsUntilOverload(0.5)).toBeUndefined();
    expect(secondsUntilOverload(0.95)).toBeUndefined();
    expect(secondsUntilOverload(2)).toBeLessThan(12);
    expect(secondsUntilOverload(4)).toBeLessThan(8);
  });

  test('forgives a single hold-up', () => {
    const backlog = new FeedBacklog();
    for (let index = 0; index < 90; index++) backlog.push(packet(index, index === 0), index * FRAME_MS);
    expect(backlog.awaitsKey).toBe(true);
    for (let nowMs = 3000; nowMs < 60_000; nowMs += 250) expect(backlog.isOverloaded(nowMs)).toBe(false);
  });
});

/** A feed with members of these costs in a worker that takes packets and says nothing. */
function feedOf(costs: readonly number[]) {
  const sent: number[] = [];
  const counters = new TestCounters();
  const worker = {
    canWrite: true,
    ready: true,
    send: ({ type }: { type: number }) => sent.push(type),
  } as unknown as WorkerProcess;
  const feed = new Feed({
    ...{ number: 1, source: TRACK, shared: true, options: DEFAULT_ENGINE_OPTIONS, counters },
    onEmpty: () => undefined,
  });
  const failures: string[][] = costs.map(() => []);
  const members = costs.map((cores, index): Conversion => {
    const events = { onPacket: () => undefined, onFailed: (why: string) => failures[index]?.push(why) };
    const about = { source: TRACK, target: { codec: 'h264' }, counters, feed, onEncoder: () => undefined } as const;
    const member = new FeedMember({ ...about, events, output: index + 1, estimate: { cores, fps: 30 } });
    feed.join(member, { codec: 'h264' } as OutputOrder);
    return member;
  });
  feed.attach(worker);
  return { feed, members, failures, counters, sent };
}

describe('a feed', () => {
  test('tells its worker nothing when its last member leaves before it has begun', async () => {
    const { members, sent } = feedOf([0.1]);
    members[0]?.push(packet(0));
    members[0]?.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(sent).toEqual([]);
  });

  test('gives up the costliest of its forms, with a sentence, when its worker does not keep up; never the last', () => {
    const { feed, members, failures, counters } = feedOf([0.1, 0.4, 0.2]);
    for (let index = 0; index < 20; index++) for (const member of members) member.push(packet(index));
    const beganMs = performance.now();
    for (let ms = 0; ms < 60_000; ms += 250) feed.relieve(beganMs + ms);
    expect(failures.map(({ length }) => length)).toEqual([0, 1, 1]);
    expect(failures[1]?.[0]).toContain('did not keep up');
    expect(counters.of('engine_overloads')).toBe(2);
    expect(feed.size).toBe(1);
  });

  test('sends each packet once, whoever pushes it first', async () => {
    const { feed, members, sent } = feedOf([0.1, 0.1]);
    const packets = Array.from({ length: 12 }, (_, index) => packet(index));
    // Two in one millisecond are two.
    packets.push({ ...packet(12, false), dtsUs: packets[11]?.dtsUs ?? 0 });
    for (const each of packets.slice(0, 5)) members[0]?.push(each);
    for (const each of packets) members[1]?.push(each);
    for (const each of packets) members[0]?.push(each);
    await until(() => sent.length > 0, 'it is sent');
    expect(sent.filter((type) => type === PACKET)).toHaveLength(13);
    feed.onFrame({ stream: 1, type: TAKEN, flags: 0, timeUs: 13, payload: Buffer.alloc(0) });
    expect(members[0]?.cost?.().queued).toBe(0);
  });
});
