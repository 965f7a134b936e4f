import { expect, test } from 'vitest';
import { losing, pictures } from './testing/published.ts';
import { type Script, ScriptedPublisher } from './testing/scripted-publisher.ts';

/** A publisher one packet of which is lost for good after two seconds, at frame 60 or so. */
function withLoss(script: Script): ScriptedPublisher {
  return new ScriptedPublisher({ retransmits: false, delay: losing((index) => index === 200), ...script });
}

/** How many pictures were held at most, each looked at when it was captured. */
function mostHeld(publisher: ScriptedPublisher): number {
  let most = 0;
  for (let frame = 0; frame < 150; frame++) {
    publisher.run(1000 / 30);
    most = Math.max(most, frame - (pictures(publisher).at(-1) ?? 0));
  }
  return most;
}

test.each([2, 5])(
  'no more than %i frames wait for a missing packet when the capacity is that',
  (jitterBufferCapacity) => {
    const options = { jitterBufferCapacity, strictness: 'TOLERANT' } as const;
    const held = mostHeld(withLoss({ options, rtcpDelay: () => 100 }));
    expect(held).toBeGreaterThanOrEqual(jitterBufferCapacity);
    expect(held).toBeLessThanOrEqual(jitterBufferCapacity + 2);
  },
);

test('with more capacity than that frames wait while packets may still come again, and no longer', () => {
  const options = { strictness: 'TOLERANT' } as const;
  // Nine round trips of 40 ms and 100 ms: 14 frames.
  const held = mostHeld(withLoss({ options, rtcpDelay: () => 20, delay: losing((index) => index === 200) }));
  expect(held).toBeGreaterThan(10);
  expect(held).toBeLessThan(18);
});

test('a pause of the whole process does not count as waiting', () => {
  const publisher = withLoss({ keyInterval: 100_000 });
  while (publisher.media.stats().tracks[0]?.lost === 0) publisher.run(10);
  const pauses = (): void => publisher.media.tick(publisher.nowMs + 3000);
  pauses();
  expect(publisher.media.stats().tracks[0]?.missed).toBe(0);
  publisher.run(2000);
  expect(publisher.media.stats().tracks[0]?.missed).toBe(1);
});

test('a process that is always late gives up in the end', () => {
  const publisher = withLoss({ keyInterval: 100_000 });
  while (publisher.media.stats().tracks[0]?.lost === 0) publisher.run(10);
  for (let late = 1; late < 10; late++) publisher.media.tick(publisher.nowMs + late * 1000);
  expect(publisher.media.stats().tracks[0]?.missed).toBe(1);
});

test('a key frame is asked for only when the packet has not come again', () => {
  const repaired = withLoss({ retransmits: true }).run(5000);
  expect(repaired.got('pli')).toHaveLength(0);
  expect(repaired.got('nack').length).toBeGreaterThan(0);

  const lost = withLoss({ keyInterval: 100_000 }).run(5000);
  const [pli] = lost.rtcp.filter(({ packets }) => packets.some(({ kind }) => kind === 'pli'));
  const nacks = lost.rtcp.filter(({ packets }) => packets.some(({ kind }) => kind === 'nack'));
  expect(lost.got('pli')).toHaveLength(1);
  expect(nacks.filter(({ atMs }) => atMs < (pli?.atMs ?? 0)).length).toBeGreaterThanOrEqual(7);
});

test('requests for a key frame keep their distance, whatever is lost', () => {
  const delay = losing((index) => index > 100 && index % 20 === 0);
  const options = { keyFrameRequestIntervalMs: 3000 };
  const publisher = new ScriptedPublisher({ retransmits: false, keyInterval: 100_000, delay, options }).run(20_000);
  const asked = publisher.rtcp.filter(({ packets }) => packets.some(({ kind }) => kind === 'pli'));
  expect(asked.length).toBeGreaterThan(3);
  for (const [i, { atMs }] of asked.slice(1).entries())
    expect(atMs - (asked[i]?.atMs ?? 0)).toBeGreaterThanOrEqual(3000);
});
