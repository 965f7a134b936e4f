import { describe, expect, test } from 'vitest';
import { numberOf } from '../testing/scripted-publisher.ts';
import { SimulcastPublisher } from '../testing/simulcast-publisher.ts';

const LARGE = '640x480';
const MIDDLE = '320x240';
const SMALL = '160x120';

/** Frames whose time or number is not after that of the frame before, but for the one by which a layer takes over. */
function backwards(publisher: SimulcastPublisher) {
  return publisher.published.filter(({ packet }, index) => {
    const before = publisher.published[index - 1]?.packet;
    if (before === undefined) return false;
    const takesOver = packet.track !== before.track;
    return packet.dtsUs <= before.dtsUs || (!takesOver && numberOf(packet) !== numberOf(before) + 1);
  });
}

function longestGapMs(publisher: SimulcastPublisher, sinceMs = 0): number {
  const times = publisher.published.filter(({ atMs }) => atMs >= sinceMs).map(({ atMs }) => atMs);
  return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)));
}

describe('a picture that is sent in several encodings', () => {
  test.each([
    ['names', true],
    ['sources', false],
  ])('has each as a layer by their %s, the largest first, with size, bitrate and times of the stream', (_, named) => {
    const layers = [{ named }, { named }, { named }];
    const publisher = new SimulcastPublisher({ layers, media: { pauseLayersAfterMs: undefined } }).run(4000);

    const facts = publisher.stream.layers.map(({ rid, width, height, active, paused }) => [
      rid,
      width,
      height,
      active,
      paused,
    ]);
    expect(facts).toEqual([
      ['f', 640, 480, true, false],
      ['h', 320, 240, true, false],
      ['q', 160, 120, true, false],
    ]);
    for (const { bitrateBps, expectedBps } of publisher.stream.layers)
      expect(Math.abs((expectedBps ?? 0) / bitrateBps - 1)).toBeLessThan(0.1);
    expect(publisher.layer('f').bitrateBps).toBeGreaterThan(publisher.layer('q').bitrateBps * 8);
    const newest = publisher.stream.layers.map(({ lane }) => lane.at(lane.end - 1)?.ptsUs ?? 0);
    expect(Math.max(...newest) - Math.min(...newest)).toBeLessThan(2000);
    expect(publisher.media.stats().tracks.map(({ rid, width, frames }) => [rid, width, frames > 0])).toEqual([
      ['q', 160, true],
      ['h', 320, true],
      ['f', 640, true],
      [undefined, undefined, false],
    ]);
  });

  test('gives the stream its best layer, and goes to it once, without a gap', () => {
    const publisher = new SimulcastPublisher().run(4000);
    expect(publisher.sizes()).toEqual([SMALL, LARGE]);
    expect(backwards(publisher)).toEqual([]);
    expect(longestGapMs(publisher)).toBeLessThan(50);
    expect(publisher.published.length).toBeGreaterThan(115);
  });

  test('goes on with the next layer soon after the best has stopped, and returns when that is back for good', () => {
    const publisher = new SimulcastPublisher().run(13_000);
    const stoppedMs = publisher.nowMs;
    publisher.sending('f').sends = false;
    publisher.run(3000);
    expect(publisher.sizes()).toEqual([SMALL, LARGE, MIDDLE]);
    expect(longestGapMs(publisher, stoppedMs)).toBeLessThan(750);

    publisher.sending('f').sends = true;
    publisher.run(1500);
    expect(publisher.size()).toBe(MIDDLE);
    publisher.run(1500);
    expect(publisher.sizes()).toEqual([SMALL, LARGE, MIDDLE, LARGE]);
    expect(backwards(publisher)).toEqual([]);
  });

  test('does not follow a layer that comes and goes', () => {
    const publisher = new SimulcastPublisher().run(4000);
    for (let i = 0; i < 8; i++) {
      publisher.sending('f').sends = i % 2 === 1;
      publisher.run(i % 2 === 1 ? 3500 : 2000);
    }
    expect(publisher.sizes()).toEqual([SMALL, LARGE, MIDDLE]);
    expect(backwards(publisher)).toEqual([]);
  });

  test('has its packets in one lane that goes on evenly over the changes', () => {
    const publisher = new SimulcastPublisher().run(4000);
    publisher.sending('f').sends = false;
    publisher.run(3000);
    publisher.sending('f').sends = true;
    publisher.run(4000);

    const { lane } = publisher;
    expect(lane.map(({ sequence }) => sequence)).toEqual(lane.map((_, index) => index));
    const changes = lane.filter(
      ({ format }, index) => index > 0 && format.track.parameters !== lane[index - 1]?.format.track.parameters,
    );
    expect(changes.length).toBeGreaterThanOrEqual(3);
    const frames = lane.filter(({ timestamp }, index) => timestamp !== lane[index - 1]?.timestamp);
    const wrong = frames.slice(1).filter((packet, index) => {
      const before = frames[index] ?? packet;
      const ticks = packet.timestamp - before.timestamp;
      return ticks <= 0 || Math.abs(ticks - (packet.ptsUs - before.ptsUs) * 0.09) > 200;
    });
    expect(wrong).toEqual([]);
    // No frame is cut in two by a change.
    const cut = lane.filter((packet, index) => {
      const next = lane[index + 1];
      return next !== undefined && next.timestamp !== packet.timestamp && !packet.marker;
    });
    expect(cut).toEqual([]);
  });

  test('has what the main layer loses repaired before frames go on, and asks for nothing of layers that nobody watches', () => {
    let packets = 0;
    const delay = (_: string, rtx: boolean): number | undefined => (!rtx && packets++ % 12 === 11 ? undefined : 10);
    const publisher = new SimulcastPublisher({ delay }).run(4000);
    const sinceMs = publisher.nowMs;
    publisher.run(4000);

    const numbers = publisher.published.filter(({ atMs }) => atMs >= sinceMs).map(({ packet }) => numberOf(packet));
    expect(numbers.slice(1).filter((number, index) => number !== (numbers[index] ?? 0) + 1)).toEqual([]);
    expect(publisher.size()).toBe(LARGE);
    const asked = publisher.got('nack').filter(({ atMs }) => atMs >= sinceMs);
    expect(new Set(asked.map(({ packet }) => packet.mediaSsrc))).toEqual(new Set([publisher.sending('f').ssrc]));
    expect(asked.length).toBeGreaterThan(10);

    using _watched = publisher.layer('q').watch();
    publisher.run(2000);
    const all = publisher.got('nack').map(({ packet }) => packet.mediaSsrc);
    expect(all).toContain(publisher.sending('q').ssrc);
  });

  test('is asked for key frames by layer, each at most once in the interval, and none that does not come', () => {
    const publisher = new SimulcastPublisher().run(4000);
    publisher.sending('h').sends = false;
    publisher.run(1500);
    const sinceMs = publisher.nowMs;
    for (let i = 0; i < 20; i++) {
      publisher.layer('q').requestKeyFrame();
      publisher.layer('h').requestKeyFrame();
      publisher.media.requestKeyFrame();
      publisher.run(20);
    }
    const asked = publisher.got('pli').filter(({ atMs }) => atMs >= sinceMs);
    expect(new Set(asked.map(({ packet }) => packet.mediaSsrc))).toEqual(
      new Set([publisher.sending('q').ssrc, publisher.sending('f').ssrc]),
    );
    expect(asked.length).toBe(2);
  });

  test('tells players without RTP how the layer is turned that the picture is of', () => {
    const publisher = new SimulcastPublisher();
    publisher.sending('f').orientation = 1;
    publisher.sending('h').orientation = 2;
    publisher.run(4000);
    expect(publisher.stream.state.metadata).toEqual({ orientation: 1 });
    publisher.sending('f').orientation = 3;
    publisher.run(100);
    expect(publisher.stream.state.metadata).toEqual({ orientation: 3 });
    publisher.sending('f').sends = false;
    publisher.run(2000);
    expect(publisher.stream.state.metadata).toEqual({ orientation: 2 });
    expect(publisher.lane.at(-1)?.orientation).toBe(2);
  });

  test('ends and begins anew with layers of its own, and numbers go on', () => {
    const first = new SimulcastPublisher().run(3000);
    const { stream } = first;
    const { end } = stream.rtp.video;
    const layer = first.layer('f');
    first.media.close();
    expect(layer.active).toBe(false);
    expect(stream.layers).toEqual([]);
    const second = new SimulcastPublisher({ stream }).run(3000);
    expect(second.lane[0]?.sequence).toBe(end);
    expect(second.size()).toBe(LARGE);
    expect(backwards(second)).toEqual([]);
  });
});

describe('layers that nobody watches', () => {
  const SCRIPT = { obeys: true, media: { pauseLayersAfterMs: 10_000 } } as const;

  test('are kept back after ten seconds, without a gap in what is left', () => {
    const publisher = new SimulcastPublisher(SCRIPT).run(9000);
    expect(publisher.size()).toBe(LARGE);
    expect(publisher.stream.layers.some(({ paused }) => paused)).toBe(false);
    publisher.run(10_000);
    expect(publisher.stream.layers.map(({ rid, paused, active }) => [rid, paused, active])).toEqual([
      ['f', true, false],
      ['h', true, false],
      ['q', false, true],
    ]);
    expect(publisher.size()).toBe(SMALL);
    expect(longestGapMs(publisher)).toBeLessThan(150);
    expect(backwards(publisher)).toEqual([]);
    const caps = publisher.got('remb').filter(({ atMs }) => atMs > publisher.nowMs - 2000);
    expect(caps.length).toBeGreaterThanOrEqual(2);
    expect(caps.at(-1)?.packet.bitrateBps).toBeLessThan(300_000);
  });

  test.each([
    ['a viewer of the best layer', (publisher: SimulcastPublisher) => publisher.layer('f').watch()],
    [
      'a viewer of the stream by WebRTC',
      (publisher: SimulcastPublisher) => publisher.stream.rtp.video.attach(() => {}),
    ],
    [
      'a reader of the stream',
      (publisher: SimulcastPublisher) => {
        const reader = publisher.stream.attach({ startAt: 'live', onReadable: () => {}, onEnd: () => {} });
        return { [Symbol.dispose]: () => reader.close() };
      },
    ],
  ])('come again within a second for %s, and stay for it', (_, watch) => {
    const publisher = new SimulcastPublisher(SCRIPT).run(17_000);
    expect(publisher.layer('f').active).toBe(false);
    const watched = watch(publisher);
    publisher.run(800);
    expect(publisher.layer('f').paused).toBe(false);
    expect(publisher.layer('f').active).toBe(true);
    expect(publisher.size()).toBe(LARGE);
    publisher.run(11_000);
    expect(publisher.layer('f').active).toBe(true);
    watched[Symbol.dispose]();
    publisher.run(17_000);
    expect(publisher.layer('f').active).toBe(false);
  });

  test('are allowed more in steps when they are to come again, and all in the end', () => {
    const publisher = new SimulcastPublisher(SCRIPT).run(17_000);
    const sinceMs = publisher.nowMs;
    using _watched = publisher.layer('f').watch();
    publisher.run(3000);
    const all = publisher.got('remb');
    const before = all.findLast(({ atMs }) => atMs < sinceMs)?.packet.bitrateBps ?? 0;
    const after = all.filter(({ atMs }) => atMs >= sinceMs).map(({ packet }) => packet.bitrateBps);
    expect(after[0]).toBeLessThan(before * 1.6);
    expect(after.slice(0, 3)).toEqual(after.slice(0, 3).toSorted((a, b) => a - b));
    expect(after.at(-1)).toBeGreaterThan(5_000_000);
  });

  test('stay where a lower one is watched, and that one too', () => {
    const publisher = new SimulcastPublisher(SCRIPT).run(1000);
    using _watched = publisher.layer('h').watch();
    publisher.run(20_000);
    expect(publisher.stream.layers.map(({ rid, paused, active }) => [rid, paused, active])).toEqual([
      ['f', true, false],
      ['h', false, true],
      ['q', false, true],
    ]);
    expect(publisher.size()).toBe(MIDDLE);
  });

  test('are told from one that has never come: what does come of the others stays', () => {
    const layers = [{}, {}, { sends: false }];
    const publisher = new SimulcastPublisher({ ...SCRIPT, layers }).run(17_000);
    expect(publisher.stream.layers.map(({ rid, paused, active }) => [rid, paused, active])).toEqual([
      ['h', true, false],
      ['q', false, true],
      ['f', true, false],
    ]);
    expect(publisher.size()).toBe(SMALL);
    using _watched = publisher.layer('f').watch();
    publisher.sending('f').sends = true;
    publisher.run(1000);
    expect(publisher.layer('f')).toMatchObject({ width: 640, active: true, paused: false });
  });

  test('are left at least what the client wished', () => {
    const media = { pauseLayersAfterMs: 10_000, minBitrateBps: 700_000 };
    const publisher = new SimulcastPublisher({ ...SCRIPT, media }).run(17_000);
    expect(publisher.got('remb').at(-1)?.packet.bitrateBps).toBeGreaterThan(690_000);
    expect(publisher.stream.layers.map(({ active }) => active)).toEqual([false, true, true]);
  });

  test('come all the time where the settings do not keep them back', () => {
    const publisher = new SimulcastPublisher({ obeys: true, media: { pauseLayersAfterMs: undefined } }).run(14_000);
    expect(publisher.stream.layers.every(({ active, paused }) => active && !paused)).toBe(true);
    expect(publisher.got('remb').every(({ packet }) => packet.bitrateBps > 5_000_000)).toBe(true);
  });

  test('are allowed less each second while a publisher sends them all the same, down to a limit', () => {
    const publisher = new SimulcastPublisher({ media: { pauseLayersAfterMs: 10_000 } }).run(26_000);
    const caps = publisher.got('remb').map(({ packet }) => packet.bitrateBps);
    expect(caps.at(-1)).toBeLessThan((caps.at(-8) ?? 0) * 0.95);
    expect(caps.at(-1)).toBeGreaterThanOrEqual(59_000);
    expect(publisher.size()).toBe(SMALL);
  });
});
