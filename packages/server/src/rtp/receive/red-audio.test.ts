import { redLength, writeRed } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { holes, outOfOrder, RUN_MS, sounds, upTo } from './testing/published.ts';
import {
  AUDIO,
  AUDIO_SSRC,
  type Script,
  ScriptedPublisher,
  type Sent,
  soundOf,
  VIDEO,
} from './testing/scripted-publisher.ts';

const RED = 63;
const TRACK = { ...AUDIO, redPayloadType: RED };

/** A publisher whose sound goes with so many earlier pieces, of which these packets get lost. */
function published(redundancy: number, isLost: (index: number) => boolean, script: Script = {}): ScriptedPublisher {
  const delay = ({ kind, index }: Sent): number | undefined => (kind === 'audio' && isLost(index) ? undefined : 10);
  return new ScriptedPublisher({ tracks: [VIDEO, TRACK], redundancy, delay, ...script }).run(RUN_MS);
}

describe('sound with redundancy', () => {
  test('is whole where every tenth packet gets lost, in the log and for viewers', () => {
    const publisher = published(1, (index) => index % 10 === 4);

    expect(sounds(publisher)).toEqual(upTo(500));
    expect(holes(publisher.lane.audio)).toBe(0);
    expect(outOfOrder(publisher)).toEqual([]);
    const stats = publisher.media.stats().tracks[1];
    expect(stats).toMatchObject({ recovered: 50, lost: 50, missed: 0, duplicates: 0, rejected: 0 });
  });

  test('says the times of what it repairs', () => {
    const publisher = published(1, (index) => index % 10 === 4);
    const times = publisher.published.filter(({ track }) => track.kind === 'audio').map(({ ptsUs }) => ptsUs);
    for (const [i, ptsUs] of times.slice(1).entries()) expect(ptsUs - (times[i] ?? 0)).toBeCloseTo(20_000, -2);
  });

  test('survives bursts as long as its redundancy, and no longer', () => {
    const burst = (index: number): boolean => index % 20 > 17;
    expect(sounds(published(2, burst))).toEqual(upTo(500).slice(0, 498));
    const withOne = published(1, burst);
    expect(sounds(withOne)).toEqual(upTo(498).filter((index) => index % 20 !== 18));
    expect(withOne.media.stats().tracks[1]?.missed).toBe(24);
  });

  test('is not doubled where nothing is lost, packets come twice or out of order', () => {
    const delay = ({ index }: Sent): number => 10 + (index % 7 === 3 ? 25 : 0);
    const publisher = published(2, () => false, { delay });

    expect(sounds(publisher)).toEqual(upTo(sounds(publisher).length));
    expect(outOfOrder(publisher)).toEqual([]);
    expect(holes(publisher.lane.audio)).toBe(0);
  });

  test('goes over the end of its numbers', () => {
    const publisher = published(1, (index) => index % 10 === 4, { firstSequence: 65_300, firstTimestamp: 0xffff_8000 });
    expect(sounds(publisher)).toEqual(upTo(500));
  });

  test('may be sent without for a while', () => {
    const publisher = published(0, (index) => index === 30);
    expect(sounds(publisher)).toEqual(upTo(500).filter((index) => index !== 30));
    const { payloadType } = TRACK;
    publisher.inject({ ssrc: AUDIO_SSRC, payloadType, sequence: 7500, timestamp: 480_000, payload: soundOf(500) });
    expect(sounds(publisher).at(-1)).toBe(500);
  });
});

describe('redundancy that can not be right', () => {
  /** One packet is lost; the next one says this of an earlier one. */
  function after(block: { timestampOffset?: number; payload?: Uint8Array; payloadType?: number }): number[] {
    const publisher = new ScriptedPublisher({ tracks: [TRACK] }).run(199);
    const redundant = [{ payloadType: 111, timestampOffset: 960, payload: soundOf(10), ...block }];
    const content = { payloadType: 111, primary: soundOf(11), redundant };
    const payload = new Uint8Array(redLength(content));
    writeRed(payload, 0, content);
    publisher.inject({ ssrc: AUDIO_SSRC, payloadType: RED, sequence: 7011, timestamp: 11 * 960, payload });
    publisher.captures.audio = false;
    publisher.run(200);
    return sounds(publisher);
  }

  test('is what the right one is not', () => {
    expect(after({})).toEqual(upTo(12));
  });

  test.each([
    ['is of a packet that has come', { timestampOffset: 1920 }],
    ['is as old as no packet', { timestampOffset: 959 }],
    ['is no older than its packet', { timestampOffset: 0 }],
    ['is older than all packets', { timestampOffset: 960 * 15 }],
    ['is of another codec', { payloadType: 13 }],
    ['is empty', { payload: new Uint8Array(0) }],
    ['lasts longer than the time it fills', { payload: Uint8Array.of(0x03, 6, 1, 2), timestampOffset: 2880 }],
  ])('because it %s is left out', (_, block) => {
    expect(after(block)).toEqual([...upTo(10), 11]);
  });

  test('because the packet is broken, or of another codec, leaves a gap and nothing else', () => {
    const publisher = new ScriptedPublisher({ tracks: [TRACK] }).run(199);
    const inject = (sequence: number, payload: Uint8Array): void =>
      publisher.inject({ ssrc: AUDIO_SSRC, payloadType: RED, sequence, timestamp: (sequence - 7000) * 960, payload });
    inject(7010, Uint8Array.of(0xff, 0xff));
    inject(7011, Uint8Array.of(13, 1, 2, 3));
    inject(7012, new Uint8Array(0));
    inject(7013, Uint8Array.of(111, ...soundOf(13)));
    publisher.captures.audio = false;
    publisher.run(200);
    expect(sounds(publisher)).toEqual([...upTo(10), 13]);
    expect(publisher.media.stats().tracks[0]).toMatchObject({ empty: 3, lost: 0 });
  });

  test('because it was that of another packet is not taken for this one', () => {
    const publisher = new ScriptedPublisher({ tracks: [TRACK], redundancy: 1 }).run(199);
    publisher.captures.audio = false;
    const { payloadType } = TRACK;
    publisher.inject({ ssrc: AUDIO_SSRC, payloadType, sequence: 7011, timestamp: 11 * 960, payload: soundOf(11) });
    publisher.run(200);
    expect(sounds(publisher)).toEqual([...upTo(10), 11]);
  });

  test('does not outlive the source that it is of', () => {
    const publisher = new ScriptedPublisher({ tracks: [TRACK], redundancy: 1 }).run(199);
    publisher.captures.audio = false;
    publisher.run(1000);
    for (const index of [60, 61, 63, 64]) {
      const redundant = [{ payloadType: 111, timestampOffset: 960, payload: soundOf(index - 1) }];
      const content = { payloadType: 111, primary: soundOf(index), redundant };
      const payload = new Uint8Array(redLength(content));
      writeRed(payload, 0, content);
      publisher.inject({ ssrc: 9, payloadType: RED, sequence: 7000 + index - 55, timestamp: index * 960, payload });
    }
    publisher.run(100);
    expect(sounds(publisher).slice(10)).toEqual([61, 62, 63, 64]);
  });
});
