import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Stream } from '../stream.ts';
import { AAC, CLASSIC, feedInto, H264, newPublisher, OPUS, packet, RTC, VP8 } from '../testing/adaptation-fixture.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import type { Acceptance } from './acceptance.ts';
import { Adaptations, type AdaptedStream } from './adaptations.ts';
import { deliveryOf } from './delivery.ts';

let converter: RelabelConverter;
let adaptations: Adaptations;
let source: Stream;
let leases: AdaptedStream[];

beforeEach(() => {
  converter = new RelabelConverter();
  adaptations = new Adaptations({ converter, log: new TestLog(), counters: new TestCounters() });
  source = new Stream('s');
  source.attachPublisher(newPublisher());
  leases = [];
});

afterEach(() => {
  for (const lease of leases) lease[Symbol.dispose]();
  source.end('test is over');
  adaptations.close();
});

function lease(acceptance: Acceptance): AdaptedStream {
  const adapted = adaptations.lease(source, acceptance, { steady: true });
  leases.push(adapted);
  return adapted;
}

const told = (adapted: AdaptedStream) =>
  [deliveryOf('video', adapted, adaptations), deliveryOf('audio', adapted, adaptations)] as const;

describe('how a viewer gets a stream', () => {
  it('is as it is, for what it takes', () => {
    feedInto(source, { video: H264, audio: AAC }, { from: 0, to: 200 });
    expect(told(lease(CLASSIC))).toEqual([
      { delivery: 'as_is', codec: 'h264' },
      { delivery: 'as_is', codec: 'aac' },
    ]);
  });

  it('is as it is for one kind, and by a conversion for the other, which others share', () => {
    feedInto(source, { video: H264, audio: OPUS }, { from: 0, to: 200 });
    const [video, audio] = told(lease(CLASSIC));
    expect(video).toEqual({ delivery: 'as_is', codec: 'h264' });
    expect(audio).toMatchObject({ delivery: 'converted', codec: 'aac', conversion: { from: 'opus', users: 1 } });
    expect(told(lease({ ...CLASSIC, key: 'other' }))[1].conversion?.users).toBe(2);
    expect(adaptations.conversionsOf(source)).toHaveLength(1);
  });

  it('is by a conversion into the same codec, for pictures that are out of order', () => {
    source.publish(packet(H264, 0, { key: true, ptsMs: 0 }));
    source.publish(packet(H264, 40, { ptsMs: 120 }));
    source.publish(packet(H264, 80, { ptsMs: 40 }));
    expect(told(lease(RTC))[0]).toMatchObject({ delivery: 'converted', codec: 'h264', conversion: { from: 'h264' } });
  });

  it('is pending while nothing has come out of the conversion', () => {
    converter.held = true;
    feedInto(source, { video: VP8, audio: AAC }, { from: 0, to: 200 });
    expect(told(lease(CLASSIC))[0]).toMatchObject({ delivery: 'pending', codec: 'h264' });
  });

  it('is not at all, with the reason, where nothing can be done or the conversion failed', () => {
    feedInto(source, { video: VP8, audio: OPUS }, { from: 0, to: 200 });
    converter.unknown.add('vp8');
    const adapted = lease(CLASSIC);
    expect(told(adapted)[0]).toMatchObject({ delivery: 'left_out', reason: expect.stringContaining('VP8') });
    converter.opened[0]?.fail('the sound is broken');
    expect(told(adapted)[1]).toMatchObject({ delivery: 'left_out', reason: 'the sound is broken' });
  });

  it('is absent where the stream has nothing of the kind', () => {
    feedInto(source, { video: H264 }, { from: 0, to: 200 });
    expect(told(lease(CLASSIC))[1]).toEqual({ delivery: 'absent' });
  });
});
