import { expect, it } from 'vitest';
import { PeerTicks } from './peer-ticks.ts';

class FakePeer {
  restsUntilMs = 0;
  isClosed = false;
  restMs = 0;
  fails = false;
  readonly calls: number[] = [];

  tick(nowMs: number): void {
    if (nowMs < this.restsUntilMs) return;
    this.calls.push(nowMs);
    if (this.fails) throw new Error('broken');
    this.restsUntilMs = this.restMs > 0 ? nowMs + this.restMs : 0;
  }
}

function open() {
  const errors: FakePeer[] = [];
  const ticks = new PeerTicks<FakePeer>((peer) => errors.push(peer));
  let nowMs = 1_000_000;
  const run = (count: number, stepMs = 20) => {
    for (let i = 0; i < count; i++) {
      nowMs += stepMs;
      ticks.tick(nowMs);
    }
  };
  return { ticks, errors, run };
}

function gaps(calls: readonly number[]): number[] {
  return calls.slice(1).map((at, i) => at - (calls[i] ?? 0));
}

it('calls who does not rest on every tick', () => {
  const { ticks, run } = open();
  const peer = new FakePeer();
  ticks.wake(peer);
  run(10);
  expect(peer.calls).toHaveLength(10);
});

it('calls who rests when that is over, at odd steps of time too', () => {
  for (const stepMs of [20, 7.3, 21.9, 33]) {
    const { ticks, run } = open();
    const peer = new FakePeer();
    peer.restMs = 190;
    ticks.wake(peer);
    run(200, stepMs);
    const between = gaps(peer.calls);
    expect(between.length).toBeGreaterThan(5);
    expect(Math.min(...between)).toBeGreaterThanOrEqual(190);
    expect(Math.max(...between)).toBeLessThanOrEqual(190 + 20 + stepMs);
  }
});

it('calls who rests longer than it can remember no earlier than that', () => {
  const { ticks, run } = open();
  const peer = new FakePeer();
  peer.restMs = 1000;
  ticks.wake(peer);
  run(500);
  expect(Math.min(...gaps(peer.calls))).toBeGreaterThanOrEqual(1000);
  expect(Math.max(...gaps(peer.calls))).toBeLessThanOrEqual(1040);
});

it('calls all of them after a pause of any length', () => {
  for (const pauseMs of [150, 330, 5000, 1e6]) {
    const { ticks, run } = open();
    const peers = Array.from({ length: 20 }, () => new FakePeer());
    for (const peer of peers) {
      peer.restMs = 190;
      ticks.wake(peer);
      run(1);
    }
    run(1, pauseMs);
    run(1);
    const after = peers.map(({ calls }) => calls.length);
    run(11);
    for (const [i, { calls }] of peers.entries()) expect(calls.length).toBeGreaterThan(after[i] ?? 0);
  }
});

it('calls who was woken on the next tick', () => {
  const { ticks, run } = open();
  const peer = new FakePeer();
  peer.restMs = 190;
  ticks.wake(peer);
  run(3);
  expect(peer.calls).toHaveLength(1);
  peer.restsUntilMs = 0;
  peer.restMs = 0;
  ticks.wake(peer);
  run(3);
  expect(peer.calls).toHaveLength(4);
});

it('forgets who was closed, and goes on with the others when one fails', () => {
  const { ticks, errors, run } = open();
  const [broken, closed, fine] = [new FakePeer(), new FakePeer(), new FakePeer()];
  for (const peer of [broken, closed, fine]) ticks.wake(peer);
  run(1);
  closed.isClosed = true;
  broken.fails = true;
  run(2);
  expect(closed.calls).toHaveLength(1);
  expect(errors).toEqual([broken, broken]);
  expect(fine.calls).toHaveLength(3);
});
