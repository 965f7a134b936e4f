import { describe, expect, test } from 'vitest';
import { SimulatedLink } from './bandwidth/testing/link-model.ts';
import { MeasuredPolicy, type OpenOption } from './measured-policy.ts';
import type { BandwidthEstimate } from './viewer-bandwidth.ts';

const LOOK_MS = 100;
const WHY = 'packets wait on the way';

/** A viewer whose every wish is granted after a while, in virtual time. */
class Viewer {
  readonly policy = new MeasuredPolicy();
  all: OpenOption[];
  at = 0;
  coming = -1;
  nowMs = 0;
  /** How long until a quality that is asked for is there. */
  delayMs = 200;
  readonly moves: string[] = [];
  #comesMs = 0;

  constructor(...bandwidths: number[]) {
    this.all = bandwidths.map((bandwidthBps, i) => ({ name: `q${i}`, bandwidthBps, open: true }));
  }

  /** So long the way is like that. */
  pass(ms: number, estimate: Partial<BandwidthEstimate>): this {
    const endMs = this.nowMs + ms;
    const whole = { bps: 0, congested: false, reason: undefined, measured: true, queueMs: 0, ...estimate };
    while (this.nowMs < endMs) {
      this.nowMs += LOOK_MS;
      if (this.coming >= 0 && this.nowMs >= this.#comesMs) this.#arrive();
      this.#look(whole);
    }
    return this;
  }

  #look(estimate: BandwidthEstimate): void {
    const { all, at, coming, nowMs } = this;
    const wanted = this.policy.decide({ all, at, coming, estimate }, nowMs);
    if (wanted === at) this.coming = -1;
    if (wanted < 0 || wanted === at || wanted === coming) return;
    this.coming = wanted;
    this.#comesMs = nowMs + this.delayMs;
    if (wanted > at) this.policy.onMoved('down', nowMs);
  }

  #arrive(): void {
    this.policy.onMoved(this.coming < this.at ? 'up' : 'down', this.nowMs);
    this.at = this.coming;
    this.coming = -1;
    this.moves.push(`q${this.at} ${this.nowMs}`);
  }
}

const layers = (): Viewer => new Viewer(2_000_000, 700_000, 200_000);

describe('the choice for a viewer whose bandwidth is measured', () => {
  test('is the best as long as the way carries it', () => {
    const viewer = layers().pass(60_000, { bps: 2_000_000, reason: WHY });
    expect(viewer.moves).toEqual([]);
    expect(viewer.policy.probeBps).toBeUndefined();
  });

  test('falls at once to what fits when much less is carried, and after a moment when a little less is', () => {
    expect(layers().pass(400, { bps: 900_000, reason: WHY }).moves).toEqual(['q1 300']);
    expect(layers().pass(400, { bps: 150_000, reason: WHY }).moves).toEqual(['q2 300']);
    expect(layers().pass(1000, { bps: 1_800_000, reason: WHY }).moves).toEqual(['q1 700']);
  });

  test('is not moved by a dip that passes, nor by an estimate that is low for want of knowledge', () => {
    const viewer = layers();
    for (let i = 0; i < 20; i++) viewer.pass(300, { bps: 1_800_000, reason: WHY }).pass(300, { bps: 2_300_000 });
    expect(viewer.moves).toEqual([]);
    expect(layers().pass(10_000, { bps: 1_000_000 }).moves).toEqual([]);
  });

  test('falls when packets wait here, whatever is believed of the way', () => {
    expect(layers().pass(500, { bps: 5_000_000, queueMs: 400 }).at).toBe(1);
  });

  test('falls further while a lower one is waited for when even less is carried', () => {
    const viewer = layers();
    viewer.delayMs = 2000;
    viewer.pass(500, { bps: 900_000, reason: WHY });
    expect(viewer.coming).toBe(1);
    viewer.pass(600, { bps: 250_000, reason: WHY });
    expect(viewer.coming).toBe(2);
  });

  test('comes back to the best within two seconds once the way is known to carry it, and probes for it until then', () => {
    const viewer = layers().pass(20_000, { bps: 400_000, reason: WHY });
    expect(viewer.at).toBe(2);
    expect(viewer.policy.probeBps).toBeCloseTo(2_000_000 / 0.85, -3);
    viewer.pass(1000, { bps: 1_000_000 });
    expect(viewer.at).toBe(1);
    viewer.pass(2000, { bps: 2_600_000 });
    expect(viewer.at).toBe(0);
    expect(viewer.policy.probeBps).toBeUndefined();
  });

  test('gives a better one up that is on its way when there is no room for it any more', () => {
    const viewer = layers().pass(3000, { bps: 250_000, reason: WHY });
    viewer.delayMs = 5000;
    viewer.pass(2000, { bps: 900_000 });
    expect(viewer.coming).toBe(1);
    viewer.pass(200, { bps: 400_000, reason: WHY });
    expect([viewer.at, viewer.coming]).toEqual([2, -1]);
  });

  test('tries a better one ever less often when it falls back each time, and forgets that when it holds', () => {
    const viewer = layers();
    // The way is believed to carry the best whenever that is not sent, and does not.
    for (let i = 0; i < 1200; i++) {
      if (viewer.at === 0) viewer.pass(100, { bps: 1_000_000, reason: WHY });
      else viewer.pass(100, { bps: 2_600_000 });
    }
    const raises = viewer.moves.filter((move) => move.startsWith('q0')).map((move) => Number(move.split(' ')[1]));
    expect(raises.length).toBeLessThan(9);
    expect((raises.at(-1) ?? 0) - (raises.at(-2) ?? 0)).toBeGreaterThan(25_000);
    expect(viewer.policy.holdMs).toBe(30_000);
    viewer.pass(60_000, { bps: 2_600_000 }).pass(1000, { bps: 900_000, reason: WHY });
    expect(viewer.policy.holdMs).toBe(1000);
  });

  test('has nothing to do with what can not be had', () => {
    const viewer = layers();
    viewer.all = viewer.all.map((option, i) => ({ ...option, open: i !== 1 }));
    viewer.pass(500, { bps: 900_000, reason: WHY });
    expect(viewer.at).toBe(2);
    viewer.policy.onFailed('q0', viewer.nowMs);
    viewer.pass(5000, { bps: 9_000_000 });
    expect(viewer.at).toBe(2);
    viewer.pass(5000, { bps: 9_000_000 });
    expect(viewer.at).toBe(0);
    viewer.all = viewer.all.map((option) => ({ ...option, open: false }));
    viewer.pass(1000, { bps: 9_000_000 });
    expect([viewer.at, viewer.coming]).toEqual([0, -1]);
  });

  test('passes over what is said to be lower and takes more', () => {
    expect(new Viewer(100_000, 300_000, 50_000).pass(500, { bps: 60_000, reason: WHY }).at).toBe(2);
  });
});

/** A viewer of encodings at the end of a link, whose every packet is sent. */
class LinkedViewer {
  readonly link = new SimulatedLink({ rateBps: 5_000_000 });
  readonly policy = new MeasuredPolicy();
  readonly all: readonly OpenOption[];
  at = 0;
  coming = -1;
  #comesMs = 0;

  constructor(...bandwidths: number[]) {
    this.all = bandwidths.map((bandwidthBps, i) => ({ name: `q${i}`, bandwidthBps, open: true }));
    this.link.share = Number.POSITIVE_INFINITY;
    this.link.probes = false;
    this.#send(0);
  }

  /** Lets time pass until it is over, or the viewer gets that; gives the seconds that took. */
  run(seconds: number, until = -1): number {
    const { link } = this;
    const beganMs = link.nowMs;
    while (link.nowMs - beganMs < seconds * 1000 && (this.at !== until || this.coming >= 0)) {
      link.run(LOOK_MS / 1000);
      this.#look();
    }
    return (link.nowMs - beganMs) / 1000;
  }

  #look(): void {
    const { all, at, link, policy } = this;
    const { nowMs } = link;
    if (this.coming >= 0 && nowMs >= this.#comesMs) {
      policy.onMoved(this.coming < at ? 'up' : 'down', nowMs);
      this.#send(this.coming);
      return;
    }
    const wanted = policy.decide({ all, at, coming: this.coming, estimate: link.bandwidth.estimate(nowMs) }, nowMs);
    if (policy.probeBps !== undefined) link.bandwidth.probe(policy.probeBps, nowMs);
    if (wanted === at || wanted === this.coming) {
      if (wanted === at) this.coming = -1;
      return;
    }
    if (wanted > at) policy.onMoved('down', nowMs);
    this.coming = wanted;
    // A round trip to the publisher, and its next frame.
    this.#comesMs = nowMs + 150;
  }

  #send(at: number): void {
    this.at = at;
    this.coming = -1;
    this.link.wantsBps = this.all[at]?.bandwidthBps ?? 0;
  }
}

describe('a viewer of encodings on a link', () => {
  test.each([
    [[2_000_000, 600_000, 150_000], 1],
    [[1_500_000, 400_000, 100_000], 1],
    [[1_000_000, 300_000], 1],
  ])(
    'of %j bit/s that is cut to half for 20 s falls before a second waits, and is back within 10 s',
    (rates, lower) => {
      const viewer = new LinkedViewer(...rates);
      const { link } = viewer;
      viewer.run(10);
      expect(viewer.at).toBe(0);
      link.conditions.rateBps = (rates[0] ?? 0) / 2;
      expect(viewer.run(3, lower)).toBeLessThan(1.5);
      viewer.run(20);
      expect(viewer.at).toBe(lower);
      expect(link.worstDelayMs(23)).toBeLessThan(1000);
      expect(link.worstDelayMs(15)).toBeLessThan(400);
      link.conditions.rateBps = 5_000_000;
      expect(viewer.run(20, 0)).toBeLessThan(10);
      viewer.run(60);
      expect(viewer.at).toBe(0);
    },
  );

  test('is not moved about by one that carries a little more than what it gets', () => {
    const viewer = new LinkedViewer(2_000_000, 600_000, 150_000);
    viewer.run(5);
    viewer.link.conditions.rateBps = 900_000;
    viewer.run(10);
    expect(viewer.at).toBe(1);
    let moves = 0;
    for (let i = 0; i < 600; i++) {
      const before = viewer.at;
      viewer.run(0.1);
      if (viewer.at !== before) moves++;
    }
    expect(moves).toBeLessThanOrEqual(4);
  });
});
